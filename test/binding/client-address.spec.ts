import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { send } from '../support/client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

/** The address that the list of devices shows for a login with that header. */
async function addressFor(test: TestApp, forwarded: string): Promise<string | null> {
  const headers = { 'session-transport': 'bearer', 'x-forwarded-for': forwarded };
  const { body } = await send(`${test.url}/login`, { method: 'POST', headers, body: { userId: 'ada' } });
  const { id } = body.session as { id: string };
  return (await test.sessions.list('ada')).find(device => device.id === id)!.ip;
}

describe.each(PLATFORMS)("scenario 23: the client's address on %s", platform => {
  let apps: TestApps;
  let direct: TestApp;
  let proxied: TestApp;
  let foreign: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    direct = await apps.start();
    proxied = await apps.start({ trustProxy: '127.0.0.1' });
    foreign = await apps.start({ trustProxy: '10.0.0.1' });
  });
  afterAll(() => apps?.close());

  it.each([
    ['network', '203.0.113.7', '203.0.113.0/24'],
    ['network', '::ffff:203.0.113.7', '203.0.113.0/24'],
    ['network', '2001:db8:aaaa:bbbb:cccc::1', '2001:db8:aaaa::/48'],
    ['network', '::1', '::/48'],
    ['none', '203.0.113.7', null],
  ] as const)('devices.ip %s: of %s is stored %s, at login and at refresh', async (kept, forwarded, stored) => {
    const test = await apps.start({ trustProxy: '127.0.0.1', session: { devices: { ip: kept } } });
    const headers = { 'session-transport': 'bearer', 'x-forwarded-for': forwarded };
    const userId = `${kept} ${forwarded}`;
    const { body } = await send(`${test.url}/login`, { method: 'POST', headers, body: { userId } });
    const addresses = async () => (await test.sessions.list(userId)).map(({ ip }) => ip);
    expect(await addresses()).toEqual([stored]);
    const { refreshToken } = body;
    const refreshed = await send(`${test.url}/session/refresh`, { method: 'POST', headers, body: { refreshToken } });
    expect(refreshed.status).toBe(200);
    expect(await addresses()).toEqual([stored]);
  });

  it('a forwarded header counts only when it comes from a proxy that is trusted', async () => {
    expect(await addressFor(direct, '203.0.113.7')).toBe('127.0.0.1');
    expect(await addressFor(foreign, '203.0.113.7')).toBe('127.0.0.1');
    expect(await addressFor(proxied, '203.0.113.7')).toBe('203.0.113.7');
  });

  it.each([
    ['IPv4', '203.0.113.7', '203.0.113.7'],
    ['IPv6', '2001:db8::7', '2001:db8::7'],
    ['IPv4 mapped into IPv6', '::ffff:203.0.113.7', '203.0.113.7'],
    ['the same in hexadecimal', '::FFFF:cb00:7107', '203.0.113.7'],
    ['IPv6 in its long form', '2001:0DB8:0000:0000:0000:0000:0000:0007', '2001:db8::7'],
    ['a list: the last that no trusted proxy has', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['a list that passed the trusted proxy twice', '203.0.113.7, 127.0.0.1', '203.0.113.7'],
    ['IPv4 with a port', '203.0.113.7:4711', '203.0.113.7'],
    ['IPv6 with a port', '[2001:db8::7]:4711', '2001:db8::7'],
    ['IPv6 in brackets', '[2001:db8::7]', '2001:db8::7'],
    ['no address', 'unknown', null],
    ['something else', "'; DROP TABLE jwt_session; --", null],
  ])('%s', async (_, forwarded, address) => {
    expect(await addressFor(proxied, forwarded)).toBe(address);
  });
});
