import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { ACCESS_COOKIE } from '../support/client.js';
import { KeySetServer } from '../support/key-set-server.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { startVerifier, type VerifierApp } from '../support/verifier-app.js';

/** Sends the header's bytes as they are, one for each character. */
async function getMe(url: string, cookie: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.end(Buffer.from(`GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: ${cookie}\r\n\r\n`, 'latin1'));
  const answer = await text(socket);
  const [, status] = answer.split(' ', 2);
  return `${status} ${/"(?:errorCode|userId)":"(\w+)"/.exec(answer)?.[1]}`;
}

/** All bytes that a name can begin with, for browsers, and that a server may take for white space. */
const BYTES = [...Array(256).keys()].map(byte => String.fromCharCode(byte)).filter(byte => !/[\0\r\n;= \t]/.test(byte));

describe.each(PLATFORMS)("C01: a cookie that browsers take for another than __Host-'s, on %s", platform => {
  let test: TestApp;
  let keySets: KeySetServer;
  let verifier: VerifierApp;
  let ada: string;
  let mallory: string;
  beforeAll(async () => {
    test = await startTestApp({ platform });
    keySets = await KeySetServer.inFrontOf(test);
    verifier = await startVerifier(platform, SessionVerifierModule.forRoot({ jwksUri: keySets.jwksUri }), test.clock);
    ada = (await test.sessions.logIn('ada', { transport: 'bearer' })).accessToken!;
    mallory = (await test.sessions.logIn('mallory', { transport: 'bearer' })).accessToken!;
  });
  afterAll(async () => {
    await verifier?.app.close();
    await keySets?.close();
    await test?.close();
  });

  const urls = () => [test.url, verifier.url];

  it('makes nobody the attacker, with any first byte of its name', async () => {
    for (const url of urls()) {
      for (const byte of BYTES) {
        const answer = await getMe(url, `${byte}${ACCESS_COOKIE}=${mallory}`);
        // Platforms answer 400 to what they take for no header.
        expect([byte, answer]).toEqual([byte, expect.stringMatching(/^(401 session_missing|400 .*)$/)]);
      }
    }
  });

  it('locks nobody out who is logged in', async () => {
    for (const url of urls()) {
      const planted = `\xA0${ACCESS_COOKIE}=${mallory}`;
      expect(await getMe(url, `${ACCESS_COOKIE}=${ada}; ${planted}`)).toBe('200 ada');
      expect(await getMe(url, `${planted}; ${ACCESS_COOKIE}=${ada}`)).toBe('200 ada');
      expect(await getMe(url, `${ACCESS_COOKIE}=${ada}\xA0`)).not.toContain('200');
    }
  });

  it('spaces and tabs are white space', async () => {
    for (const url of urls()) expect(await getMe(url, `a=b;\t ${ACCESS_COOKIE}=${ada} \t; c=d`)).toBe('200 ada');
  });
});
