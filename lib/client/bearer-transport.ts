import type { SessionTokens, SessionTokenStorage } from './client.types.js';
import { find } from './refusal.js';
import type { Transport } from './transport.js';

/**
 * The application keeps the tokens. They are read from its storage for every request and kept nowhere else, so that no
 * access token is used before its refresh token is stored.
 */
export function bearerTransport(storage: SessionTokenStorage): Transport {
  return {
    // A cookie would take precedence over the token, and the server would answer in cookies.
    credentials: 'omit',
    async authorize(headers) {
      const token = (await storage.load())?.accessToken;
      if (token) headers.set('authorization', `Bearer ${token}`);
      headers.set('session-transport', 'bearer');
      return token;
    },
    async refreshRequest(mark) {
      const { accessToken, refreshToken } = (await storage.load()) ?? ({} as Partial<SessionTokens>);
      if (!refreshToken || accessToken !== mark) return undefined;
      const headers = new Headers({ 'content-type': 'application/json' });
      // The access token shows which refresh token was issued with it, if the server's database has lost a commit.
      return { headers, body: JSON.stringify({ refreshToken, accessToken: mark }), refreshToken };
    },
    async accept(answer, request) {
      // RFC 6749, section 6: without a new refresh token the former one remains.
      const tokens = tokensOf(answer, request.refreshToken);
      if ((await storage.load())?.refreshToken !== request.refreshToken) return false;
      await storage.save(tokens);
      return true;
    },
    suspectChange() {},
    clear: async () => storage.clear(),
    async forget(mark) {
      if ((await storage.load())?.accessToken !== mark) return false;
      await storage.clear();
      return true;
    },
    save: async body => storage.save(tokensOf(body)),
    isGone: async () => !(await storage.load()),
    accessToken: async () => (await storage.load())?.accessToken,
  };
}

function tokensOf(body: unknown, former?: string): SessionTokens {
  const { accessToken, refreshToken = former } =
    find<SessionTokens>(body, object => object.accessToken) ?? ({} as Partial<SessionTokens>);
  if (accessToken && refreshToken) return { accessToken, refreshToken };
  throw new TypeError(
    `no accessToken and refreshToken, but ${Object.keys(Object(body) as object).join(', ') || 'nothing'}: check "transport" and interceptors`,
  );
}
