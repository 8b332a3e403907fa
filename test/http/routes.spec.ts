import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

interface DeviceBody {
  id: string;
  current: boolean;
  [name: string]: unknown;
}

const devicesOf = async (browser: CookieJarClient) =>
  (await browser.send('/session/devices')).body as unknown as DeviceBody[];
const remove = (browser: CookieJarClient, id: string) => browser.send(`/session/devices/${id}`, { method: 'DELETE' });

describe.each(PLATFORMS)('the routes of the session controller on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  const logIn = async (userId: string) => {
    const browser = new CookieJarClient(test.url);
    const { body } = await browser.post('/login', { userId, claims: { role: 'admin' } });
    return { browser, id: (body.session as { id: string }).id };
  };

  it('GET /session tells of the own session', async () => {
    const { browser, id } = await logIn('ada');
    const { status, body } = await browser.send('/session');
    expect(status).toBe(200);
    expect(body).toEqual({
      id,
      userId: 'ada',
      claims: { role: 'admin' },
      createdAt: expect.stringMatching(TIME),
      expiresAt: expect.stringMatching(TIME),
    });
  });

  it('S12: GET /session/devices lists the own sessions that live, and says which is this one', async () => {
    const [{ browser, id }, other, ended] = [await logIn('lists'), await logIn('lists'), await logIn('lists')];
    await logIn('grace');
    await ended.browser.post('/session/logout');
    const { session } = await test.sessions.logIn('lists', { label: 'Phone' });
    const devices = await devicesOf(browser);
    expect(devices.map(device => device.id).sort()).toEqual([id, other.id, session.id].sort());
    expect(devices.filter(({ current }) => current).map(device => device.id)).toEqual([id]);
    expect(devices.find(device => device.id === session.id)).toMatchObject({ label: 'Phone', ip: null });
    expect(devices.find(device => device.id === id)).toEqual({
      id,
      label: 'node',
      ip: '127.0.0.1',
      createdAt: expect.stringMatching(TIME),
      lastSeenAt: expect.stringMatching(TIME),
      boundBy: null,
      current: true,
    });
  });

  it('S12: DELETE /session/devices/:id ends a session of one’s own', async () => {
    const [{ browser, id }, other] = [await logIn('ends'), await logIn('ends')];
    expect((await remove(browser, other.id)).status).toBe(204);
    expect((await other.browser.send('/me')).body.errorCode).toBe('session_revoked');
    expect((await devicesOf(browser)).map(device => device.id)).toEqual([id]);
    expect((await remove(browser, other.id)).status).toBe(404);
    expect((await remove(browser, id)).status).toBe(204);
    expect(await test.sessions.get(id)).toBeNull();
  });

  it('S12: a foreign, an unknown and a malformed id are 404 alike', async () => {
    const [{ browser, id }, foreign] = [await logIn('ada'), await logIn('grace')];
    const ids = [
      foreign.id,
      '01900000-0000-7000-8000-000000000000',
      'none',
      '%00',
      "'; --",
      `${id}0`,
      id.slice(1),
      '9'.repeat(100),
    ];
    for (const malformed of ids) {
      const { status, body, setCookie } = await remove(browser, encodeURIComponent(malformed));
      expect([malformed, status, setCookie]).toEqual([malformed, 404, []]);
      expect(body).toMatchObject({ statusCode: 404, error: 'Not Found', message: 'You have no session of that id' });
    }
    expect((await foreign.browser.send('/me')).status).toBe(200);
    expect((await browser.send('/me')).status).toBe(200);
  });

  it('scenario 16: logout-others keeps the caller, logout-all ends every one', async () => {
    const [{ browser }, ...others] = [await logIn('many'), await logIn('many'), await logIn('many')];
    const grace = await logIn('grace');
    const ended = await browser.post('/session/logout-others');
    expect([ended.status, ended.body]).toEqual([200, { ended: 2 }]);
    for (const other of others) expect((await other.browser.send('/me')).body.errorCode).toBe('session_revoked');
    expect((await browser.send('/me')).status).toBe(200);
    const more = await logIn('many');
    const all = await browser.post('/session/logout-all');
    expect([all.status, all.body]).toEqual([200, { ended: 2 }]);
    expect((await more.browser.send('/me')).body.errorCode).toBe('session_revoked');
    expect((await grace.browser.send('/me')).status).toBe(200);
  });

  it.each([
    ['GET', '/session'],
    ['GET', '/session/devices'],
    ['DELETE', '/session/devices/none'],
    ['POST', '/session/logout-others'],
    ['POST', '/session/logout-all'],
    ['POST', '/session/refresh'],
  ])('%s %s is not for strangers', async (method, path) => {
    const { status, body } = await new CookieJarClient(test.url).send(path, { method });
    expect([status, body.errorCode]).toEqual([401, 'session_missing']);
  });

  it.each([
    ['GET', '/session/refresh'],
    ['GET', '/session/logout'],
    ['POST', '/session/verify'],
  ])('scenario 17: %s %s is 404', async (method, path) => {
    const { browser } = await logIn('ada');
    expect((await browser.send(path, { method })).status).toBe(404);
    expect((await browser.send('/me')).status).toBe(200);
  });

  it('POST /session/refresh tells when the access token and when the session ends', async () => {
    const { browser } = await logIn('ada');
    await test.clock.advance('11m');
    const { status, body } = await browser.post('/session/refresh');
    expect(status).toBe(200);
    expect(body).toEqual({ expiresIn: 600, expiresAt: expect.stringMatching(TIME) });
    expect((await browser.send('/session')).body.expiresAt).toBe(body.expiresAt);
  });
});
