import type { SessionTokens, SessionTokenStorage } from './client.types.js';
import type { Transport } from './transport.js';

/**
 * The application keeps the tokens. They are read from its storage for every request and kept nowhere else, so that no
 * access token is used before its refresh token is stored.
 */
export function bearerTransport(storage: SessionTokenStorage): Transport {
  return {
    // A cookie would count before the token that is sent, and make the server answer in cookies.
    credentials: 'omit',
    async authorize(headers) {
      const token = (await storage.load())?.accessToken;
      if (token) headers.set('authorization', `Bearer ${token}`);
      headers.set('session-transport', 'bearer');
      return token;
    },
    async present(mark) {
      const tokens = await storage.load();
      if (!tokens || tokens.accessToken !== mark) return undefined;
      const { refreshToken } = tokens;
      const headers = new Headers({ 'content-type': 'application/json' });
      return { headers, body: JSON.stringify({ refreshToken }), refreshToken };
    },
    async accept(answer, presented) {
      // An answer without a refresh token leaves the one that was sent in force.
      const tokens = tokensOf({ refreshToken: presented.refreshToken, ...Object(answer) });
      if ((await storage.load())?.refreshToken !== presented.refreshToken) return false;
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
  };
}

function tokensOf(body: unknown): SessionTokens {
  const { accessToken, refreshToken } = Object(body) as Partial<SessionTokens>;
  if (accessToken && refreshToken) return { accessToken, refreshToken };
  throw new TypeError('The answer has no accessToken and refreshToken: does the server\'s "transport" allow bearer?');
}
