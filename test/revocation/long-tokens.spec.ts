import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AccessTokenExpiredError, SessionRevokedError } from 'nestjs-jwt-session';
import { PLATFORMS } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

/** What has ended is remembered for as long as an access token lives: of other lifetimes no token may count longer. */
describe.each(PLATFORMS)('access tokens that live long, on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  const appWith = (lifetime: string) => apps.start({ session: { accessToken: { lifetime } } });

  it('S14: after the lifetime was shortened, a token that was issued before counts for the shorter one', async () => {
    const before = await appWith('1h');
    const [ended, live] = [await before.sessions.logIn('ada'), await before.sessions.logIn('ada')];
    await before.sessions.logOut(ended.session.id);
    const meanwhile = await appWith('5m');
    await expect(meanwhile.sessions.verify(live.accessToken!)).resolves.toMatchObject({ userId: 'ada' });

    await apps.clock.advance('10m');
    const after = await appWith('5m');
    await expect(after.sessions.verify(ended.accessToken!)).rejects.toThrow(AccessTokenExpiredError);
    for (const { sessions } of [meanwhile, after]) {
      await expect(sessions.verify(live.accessToken!)).rejects.toThrow(AccessTokenExpiredError);
    }
    await expect(after.sessions.refresh({ refreshToken: ended.refreshToken! })).rejects.toThrow(SessionRevokedError);
    const { accessToken } = await after.sessions.refresh({ refreshToken: live.refreshToken! });
    await expect(after.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
  });

  it('S14, scenario 22: the row of an ended session stays as long as its access tokens', async () => {
    const app = await appWith('3d');
    const { session, accessToken } = await app.sessions.logIn('grace');
    await app.sessions.logOut(session.id);
    await app.advance('2d');
    expect(await app.sessions.cleanUp({ dryRun: true })).toMatchObject({ sessions: 0 });
    await app.sessions.cleanUp();
    const started = await appWith('3d');
    await expect(started.sessions.verify(accessToken!)).rejects.toThrow(SessionRevokedError);

    await app.advance('1d');
    await app.advance('2m');
    await expect(started.sessions.verify(accessToken!)).rejects.toThrow(SessionRevokedError);
    expect((await app.sessions.cleanUp()).sessions).toBeGreaterThan(0);
    expect(await app.database.query('SELECT 1 FROM jwt_session WHERE id = $1', [session.id])).toEqual([]);
  });
});
