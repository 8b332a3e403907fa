import type { INestApplicationContext } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { CSRF_HEADER } from '../session.constants.js';
import { SessionService } from '../session.service.js';
import type { SessionClaims } from '../session.types.js';
import { SessionHttp } from '../http/session-http.js';

export interface SignInOptions {
  claims?: SessionClaims;
  /** Whom the tokens are bound to, with option `binding`: what the requests will come from, such as `127.0.0.1`. */
  ip?: string;
  userAgent?: string;
}

/**
 * Logs a user in and returns the headers of an authenticated request, in the form that the application takes:
 * `request(server).get('/me').set(await signInAs(app, 'ada', { claims: { role: 'admin' } }))`
 */
export async function signInAs(
  app: INestApplicationContext,
  userId: string,
  options: SignInOptions = {},
): Promise<Record<string, string>> {
  const find = { strict: false };
  const login = { ...options, transport: 'bearer' } as const;
  const { accessToken, session } = await app.get(SessionService, find).logIn(userId, login);
  if (app.get(ResolvedSessionOptions, find).transport !== 'cookie') return { Authorization: `Bearer ${accessToken}` };
  const { cookies, csrf } = app.get(SessionHttp, find);
  return {
    Cookie: `${cookies.accessName}=${accessToken}`,
    ...(csrf.usesTokens ? { [CSRF_HEADER]: csrf.tokenOf(session.id) } : {}),
  };
}
