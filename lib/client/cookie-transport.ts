import type { SessionEnvironment } from './client.types.js';
import type { Transport } from './transport.js';

/** The browser keeps the tokens, where no script can read them; refreshes are counted instead. */
export function cookieTransport({ document, location }: SessionEnvironment, { origin }: URL): Transport {
  let refreshes = 0;

  const authorize: Transport['authorize'] = async (headers, method) => {
    const token = csrfToken(document?.cookie ?? '');
    if (token && !/^(GET|HEAD|OPTIONS)$/.test(method)) headers.set('x-csrf-token', token);
    return refreshes;
  };
  return {
    credentials: location && new URL(location.href).origin !== origin ? 'include' : 'same-origin',
    authorize,
    async refreshRequest(mark) {
      if (mark !== refreshes) return undefined;
      const headers = new Headers();
      await authorize(headers, 'POST');
      return { headers };
    },
    async accept() {
      refreshes++;
      return true;
    },
    suspectChange() {
      refreshes++;
    },
    async clear() {},
    forget: async () => true,
    async save() {
      throw new TypeError('saveTokens needs a "storage": without one the session lives in cookies');
    },
    isGone: async () => true,
    accessToken: async () => undefined,
  };
}

/** A sibling domain can plant the cookie without a prefix, so that one with a prefix counts before it. */
function csrfToken(cookies: string): string | undefined {
  const names = ['__Host-csrf_token=', '__Secure-csrf_token=', 'csrf_token='];
  const pairs = cookies.split('; ');
  return names.flatMap(name => pairs.filter(pair => pair.startsWith(name)).map(pair => pair.slice(name.length)))[0];
}
