import type { INestApplicationContext } from '@nestjs/common';
import { CsrfTokens } from '../http/csrf-tokens.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { CSRF_HEADER } from '../session.constants.js';
import { SessionService } from '../session.service.js';
import type { SessionClaims } from '../session.types.js';
import { SessionCookies } from '../http/session-cookies.js';

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
  const csrf = app.get(CsrfTokens, find);
  return {
    Cookie: `${app.get(SessionCookies, find).accessName}=${accessToken}`,
    ...(csrf.areUsed ? { [CSRF_HEADER]: csrf.of(session.id) } : {}),
  };
}
