import type { INestApplicationContext } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SessionService } from '../session.service.js';
import type { SessionClaims } from '../session.types.js';
import { SessionCookies } from '../transport/session-cookies.js';

export interface SignInOptions {
  claims?: SessionClaims;
}

/**
 * Logs a user in and returns the headers of an authenticated request, in the form that the application takes:
 * `request(server).get('/me').set(await signInAs(app, 'ada', { claims: { role: 'admin' } }))`
 */
export async function signInAs(
  app: INestApplicationContext,
  userId: string,
  { claims }: SignInOptions = {},
): Promise<Record<string, string>> {
  const find = { strict: false };
  const { accessToken } = await app.get(SessionService, find).logIn(userId, { claims, transport: 'bearer' });
  if (app.get(ResolvedSessionOptions, find).transport !== 'cookie') return { Authorization: `Bearer ${accessToken}` };
  return { Cookie: `${app.get(SessionCookies, find).accessName}=${accessToken}` };
}
