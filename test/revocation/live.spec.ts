import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { send } from '../support/client.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

async function me(app: TestApp, token: string): Promise<string> {
  const { body } = await send(`${app.url}/me`, { headers: { authorization: `Bearer ${token}` } });
  return body.errorCode ?? 'accepted';
}

describe('revocation in two processes on one database', () => {
  let database: TestDatabase;
  let here: TestApp;
  let there: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    here = await startTestApp({ database, clock });
    // It polls no sooner than a test says so.
    there = await startTestApp({ database, clock, session: { revocation: { maxStaleness: '10m' } } });
  });
  afterAll(async () => {
    await Promise.all([here?.close(), there?.close()]);
    await database?.drop();
  });

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken } = await here.sessions.logIn(userId);
    expect(await me(there, accessToken!)).toBe('accepted');
    return { session, token: accessToken!, refreshToken: refreshToken! };
  }

  it('S14: ending a session is in force in the other process by notification, without a query', async () => {
    const { session, token } = await logIn();
    await here.sessions.logOut(session.id);
    expect(await me(here, token)).toBe('session_revoked');
    await until(async () => (await me(there, token)) === 'session_revoked');
    expect(there.events).toContainEqual({
      type: 'session.revoked',
      sessionIds: [session.id],
      reason: 'logout',
      source: 'remote',
    });
  });

  it('the poll alone tells the other process too', async () => {
    const { session, token } = await logIn();
    await database.query(
      `UPDATE jwt_session SET revoked_at = clock_timestamp(), revoked_reason = 'by hand' WHERE id = $1`,
      [session.id],
    );
    expect(await me(there, token)).toBe('accepted');
    await there.app.get(RevocationFeed, { strict: false }).poll();
    expect(await me(there, token)).toBe('session_revoked');
  });

  it('F28, scenario 25: access tokens of one user are invalidated everywhere, refreshing goes on', async () => {
    const ada = await logIn('ada');
    const grace = await logIn('grace');
    await here.sessions.invalidateTokens('ada', 'access');
    expect(await me(here, ada.token)).toBe('access_token_invalid');
    await until(async () => (await me(there, ada.token)) === 'access_token_invalid');
    expect(await me(there, grace.token)).toBe('accepted');
    const refreshed = await there.sessions.refresh({ refreshToken: ada.refreshToken });
    expect(await me(here, refreshed.accessToken!)).toBe('accepted');
    expect(await me(there, refreshed.accessToken!)).toBe('accepted');
  });

  it('F28, scenario 25: invalidated refresh tokens end refreshing, and a later login works', async () => {
    const { refreshToken } = await logIn('ada');
    await here.sessions.invalidateTokens('ada', 'refresh');
    await expect(there.sessions.refresh({ refreshToken })).rejects.toMatchObject({ errorCode: 'session_revoked' });
    const again = await logIn('ada');
    await there.sessions.refresh({ refreshToken: again.refreshToken });
  });

  it('a distrusted key is refused everywhere, clients refresh and nobody logs in again', async () => {
    const { token, refreshToken } = await logIn();
    await here.sessions.rotateKeys({ distrust: true });
    expect(await me(here, token)).toBe('access_token_invalid');
    await until(async () => (await me(there, token)) === 'access_token_invalid');
    const refreshed = await there.sessions.refresh({ refreshToken });
    expect(await me(here, refreshed.accessToken!)).toBe('accepted');
    expect(await me(there, refreshed.accessToken!)).toBe('accepted');
  });

  it('status() tells that notifications arrive', async () => {
    await until(async () => (await there.sessions.status()).revocation.listening);
    expect(await there.sessions.status()).toMatchObject({ status: 'up', revocation: { status: 'up', mode: 'live' } });
  });
});
