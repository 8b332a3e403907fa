import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

describe.each(PLATFORMS)('a session on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  it('scenario 5: create, expire, refresh, use, expire, refresh again', async () => {
    const client = new CookieClient(test.url);
    const login = await client.logIn('ada', { role: 'admin' });
    expect(login.status).toBe(200);
    expect((await client.send('/me')).body).toMatchObject({ userId: 'ada', claims: { role: 'admin' } });

    for (let round = 0; round < 2; round++) {
      const before = client.refreshToken;
      await test.clock.pass('11m');
      expect((await client.send('/me')).body.errorCode).toBe('access_token_expired');
      expect((await client.refresh()).status).toBe(200);
      expect(client.refreshToken).not.toBe(before);
      expect((await client.send('/me')).status).toBe(200);
      expect((await client.send('/me')).status).toBe(200);
    }
  });
});
