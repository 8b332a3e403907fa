import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { partsOf } from '../support/forged-token.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

describe.each(PLATFORMS)('accessToken.jitter on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    const session = { idleLifetime: '1h', absoluteLifetime: '2h' };
    test = await apps.start({ session: { accessToken: { lifetime: '20m', jitter: '10m' }, session } });
  });
  afterAll(() => apps?.close());

  it('no access token lives longer than the lifetime, and few end in the same second', async () => {
    const clients = Array.from({ length: 40 }, () => new BearerClient(test.url));
    const lifetimes = async (answers: Promise<{ body: { accessToken?: string; expiresIn?: number } }>[]) => {
      const bodies = (await Promise.all(answers)).map(({ body }) => body);
      for (const { accessToken, expiresIn } of bodies) {
        const { exp, iat } = partsOf(accessToken!).payload as { exp: number; iat: number };
        expect(exp - iat).toBe(expiresIn);
        expect(expiresIn).toBeGreaterThanOrEqual(10 * 60);
        expect(expiresIn).toBeLessThanOrEqual(20 * 60);
      }
      return new Set(bodies.map(({ expiresIn }) => expiresIn)).size;
    };
    expect(await lifetimes(clients.map((client, index) => client.logIn(`user-${index}`)))).toBeGreaterThan(20);
    expect(await lifetimes(clients.map(client => client.refresh()))).toBeGreaterThan(20);
  });

  it('nor longer than the session', async () => {
    const client = new BearerClient(test.url);
    await client.logIn('ada');
    for (const wait of ['50m', '50m', '19m']) {
      await test.advance(wait);
      await client.refresh();
    }
    const { expiresIn } = await test.sessions.refresh({ refreshToken: client.refreshToken });
    expect(expiresIn).toBeLessThanOrEqual(60);
  });
});
