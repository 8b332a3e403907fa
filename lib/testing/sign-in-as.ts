import type { INestApplicationContext } from '@nestjs/common';
import { SessionService } from '../session.service.js';
import type { SessionClaims } from '../session.types.js';

export interface SignInOptions {
  claims?: SessionClaims;
}

/**
 * Logs a user in and returns the headers of an authenticated request:
 * `request(server).get('/me').set(await signInAs(app, 'ada', { claims: { role: 'admin' } }))`
 */
export async function signInAs(
  app: INestApplicationContext,
  userId: string,
  { claims }: SignInOptions = {},
): Promise<{ Authorization: string }> {
  const { accessToken } = await app
    .get(SessionService, { strict: false })
    .logIn(userId, { claims, transport: 'bearer' });
  return { Authorization: `Bearer ${accessToken}` };
}
