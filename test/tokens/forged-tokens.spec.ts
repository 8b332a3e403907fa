import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ACCESS_COOKIE, send } from '../support/client.js';
import { jws } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { FixedClock } from '../support/fixed-clock.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { SessionClock } from '../../lib/testing/index.js';
import { derSigned, FORGERIES, openWorkshop, type Workshop } from './forgeries.js';

describe.each(PLATFORMS)('a forged access token on %s', platform => {
  const clock = new FixedClock();
  const visits: string[] = [];
  let trap: Server;
  let test: TestApp;
  let workshop: Workshop;

  beforeAll(async () => {
    trap = createServer((request, response) => {
      visits.push(request.url!);
      response.end('{"keys":[]}');
    });
    trap.on('connection', () => visits.push('connection'));
    await new Promise<void>(resolve => trap.listen(0, '127.0.0.1', resolve));
    test = await startTestApp({
      platform,
      override: builder => void builder.overrideProvider(SessionClock).useValue(clock),
    });
    workshop = await openWorkshop(test, `http://127.0.0.1:${(trap.address() as AddressInfo).port}`);
    // However long the start took: not before the genuine token was issued.
    clock.time = (workshop.payload.iat as number) * 1_000;
  });
  afterAll(async () => {
    await test?.close();
    trap?.close();
  });

  const me = (token: string) => send(`${test.url}/me`, { headers: { authorization: `Bearer ${token}` } });

  const ofKey = (kid: string) => jws({ ...workshop.header, kid }, workshop.payload, workshop.own);

  async function expectRefused(token: string): Promise<void> {
    const taken = await statementsDuring(test, async () => {
      const answer = await me(token);
      expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    });
    expect(taken).toEqual([]);
  }

  it('is judged beside a genuine one, which is accepted however often it is rebuilt', async () => {
    const { genuine, header, payload, own } = workshop;
    expect((await me(genuine)).status).toBe(200);
    const rebuilt = jws(header, payload, own);
    expect(rebuilt).not.toBe(genuine);
    expect((await me(rebuilt)).status).toBe(200);
  });

  it.each(FORGERIES)('%s: refused without a query', async (_name, forge) => {
    await expectRefused(forge(workshop));
  });

  it('J05: our own signature in DER is refused without a query', () => expectRefused(derSigned(test, workshop)));

  it('errors have stacks again after a forged token, whose own error has none', async () => {
    const forged = jws(workshop.header, workshop.payload, () => Buffer.alloc(64, 1));
    const error: unknown = await test.sessions.verify(forged).catch((reason: unknown) => reason);
    expect((error as Error).stack!.split('\n')).toHaveLength(1);
    expect(new Error('afterwards').stack!.split('\n').length).toBeGreaterThan(1);
  });

  it('J02: no forgery made the server ask anybody for a key', () => {
    expect(visits).toEqual([]);
  });

  it('a forged cookie is refused in the same way', async () => {
    const forged = jws({ ...workshop.header, alg: 'none' }, workshop.payload, () => Buffer.from('x'));
    const taken = await statementsDuring(test, async () => {
      const answer = await send(`${test.url}/me`, { headers: { cookie: `${ACCESS_COOKIE}=${forged}` } });
      expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
    });
    expect(taken).toEqual([]);
  });

  it('J01: an unknown kid reloads the keys at most once a second, whatever the number of tokens', async () => {
    const flood = (name: string) =>
      statementsDuring(test, async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => me(ofKey(`${name}-${index}`))));
        expect(new Set(answers.map(({ body }) => body.errorCode))).toEqual(new Set(['access_token_invalid']));
      });
    clock.time += 1_000;
    expect(await flood('first')).toEqual(['jwt_session_key_load']);
    clock.time += 999;
    expect(await flood('second')).toEqual([]);
    clock.time += 1;
    expect(await flood('third')).toEqual(['jwt_session_key_load']);
    // A path that leads through the prototype chain is a name like any other.
    expect((await me(ofKey('__proto__'))).body.errorCode).toBe('access_token_invalid');
  });
});
