import type { SessionEnvironment } from './client.types.js';
import { originOf } from './outgoing-request.js';
import type { Transport } from './transport.js';

/** The browser keeps the tokens, where no script can read them; refreshes are counted instead. */
export function cookieTransport({ document, location }: SessionEnvironment, base: string): Transport {
  let refreshes = 0;

  const authorize: Transport['authorize'] = async (headers, method) => {
    const token = csrfToken(document?.cookie ?? '');
    if (token && !/^(GET|HEAD|OPTIONS)$/.test(method)) headers.set('x-csrf-token', token);
    return refreshes;
  };
  return {
    credentials: location && originOf(location.href) !== originOf(base) ? 'include' : 'same-origin',
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
      throw new TypeError('saveTokens needs a "storage"');
    },
    isGone: async () => true,
    accessToken: async () => undefined,
  };
}

/** A sibling domain can plant the cookie without a prefix, so that one with a prefix counts before it. */
function csrfToken(cookies: string): string | undefined {
  return ['__Host-', '__Secure-', '']
    .map(prefix => new RegExp(`(^|; )${prefix}csrf_token=([^;]*)`).exec(cookies)?.[2])
    .find(Boolean);
}
