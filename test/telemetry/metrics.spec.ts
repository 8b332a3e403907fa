import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AccountEvent } from 'nestjs-jwt-session/accounts';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { readdirSync, readFileSync } from 'node:fs';
import { REASONS } from '../../lib/session.telemetry.js';
import { INSTRUMENTS, type Instrument } from '../../lib/telemetry/instruments.js';
import { RemoteRevocations } from '../../lib/verifier/remote-revocations.js';
import { AccountApp } from '../accounts/account-app.js';
import { CookieClient, send } from '../support/client.js';
import { DpopClient } from '../support/dpop-client.js';
import { feedOf, me } from '../support/revocation.js';
import { RevocationsServer, SERVICE_TOKEN, ServiceGuard } from '../support/revocations-server.js';
import { TelemetrySdk } from '../support/telemetry-sdk.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { steal } from '../support/thefts.js';
import { until } from '../support/until.js';
import { startVerifier } from '../support/verifier-app.js';

const isRecovery = (event: AccountEvent) => event.type === 'mail.sent' && event.kind === 'recovery';

describe.each(PLATFORMS)('F33: metrics, on %s', platform => {
  let sdk: TelemetrySdk;
  let app: AccountApp;
  let test: TestApp;
  beforeAll(async () => {
    sdk = await TelemetrySdk.start();
    app = await AccountApp.start({
      platform,
      // Also users without an account.
      session: { telemetry: true, claims: undefined, binding: { key: 'prefer' }, transport: 'both' },
      accounts: { telemetry: true },
    });
    ({ test } = app);
  });
  afterAll(async () => {
    await app?.close();
    await sdk?.stop();
  });

  /** The values of an instrument, by the values of its attributes. */
  async function read(name: keyof typeof INSTRUMENTS): Promise<Record<string, number>> {
    const points = (await sdk.read()).get(name) ?? [];
    return Object.fromEntries(points.map(({ attributes, value }) => [Object.values(attributes).join(), value]));
  }

  /** The value may change while it is read: a poll runs, or its echo arrives. */
  const untilShown = (name: keyof typeof INSTRUMENTS, value: () => number) =>
    until(async () => {
      const before = value();
      const shown = (await read(name))['']!;
      return before <= shown && shown <= value();
    });

  /** By how much the values grow. */
  async function growthOf(
    name: keyof typeof INSTRUMENTS,
    act: () => Promise<unknown>,
  ): Promise<Record<string, number>> {
    const before = await read(name);
    await act();
    const after = Object.entries(await read(name)).map(([key, value]) => [key, value - (before[key] ?? 0)] as const);
    return Object.fromEntries(after.filter(([, growth]) => growth !== 0));
  }

  it('log-ins, impersonations and sessions that are bound to a key', async () => {
    const logIn = () => test.sessions.logIn('ada');
    expect(await growthOf('jwt_session.log_ins', logIn)).toEqual({ '': 1 });
    const { session } = await logIn();
    const impersonate = () => test.sessions.impersonate(session, 'grace');
    expect(await growthOf('jwt_session.impersonations', impersonate)).toEqual({ '': 1 });
    const bind = async () => (await DpopClient.of(test.url)).logIn('ada');
    expect(await growthOf('jwt_session.key_bindings', bind)).toEqual({ dpop: 1 });
  });

  it('a theft is counted from 0, so that an alarm sees the first one', async () => {
    expect(await read('jwt_session.thefts')).toEqual({ fork: 0, recent: 0, stale: 0, binding: 0 });
    expect(await growthOf('jwt_session.thefts', async () => (await steal(test, 'stale')).thief.refresh())).toEqual({
      stale: 1,
    });
  });

  it('refreshes by case, and how long operations and statements took', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const twice = async () => {
      await client.copy().refresh();
      await client.refresh();
    };
    expect(await growthOf('jwt_session.refreshes', twice)).toEqual({ mint: 1, 'retry-in-window': 1 });
    expect(await growthOf('jwt_session.operation.duration', twice)).toEqual({ refresh: 2 });
    const statements = await growthOf('db.client.operation.duration', () => client.refresh());
    // Beside it, polls may have run.
    expect(statements).toMatchObject({ 'postgresql,jwt_session_rotate': 1 });
  });

  it('refusals by code, each once', async () => {
    const requests = async () => {
      await me(test, 'junk');
      await send(`${test.url}/me`);
      await send(`${test.url}/session/refresh`, { method: 'POST', body: { refreshToken: 'junk' } });
    };
    const counted = { access_token_invalid: 1, session_missing: 1, refresh_token_invalid: 1 };
    expect(await growthOf('jwt_session.refusals', requests)).toEqual(counted);
    expect(await growthOf('jwt_session.operation.duration', requests)).toEqual({ 'refresh,refresh_token_invalid': 1 });
  });

  it('revocations by reason; the reasons of the application, which may be any text, are one', async () => {
    const end = async () => {
      for (let count = 0; count < 3; count++) await test.sessions.logIn('mary');
      const { session } = await test.sessions.logIn('mary');
      await test.sessions.logOutOthers(session, { reason: 'asked by mary@garden.example' });
      await test.sessions.logOut(session.id);
    };
    expect(await growthOf('jwt_session.revocations', end)).toEqual({ '_OTHER,local': 3, 'logout,local': 1 });
  });

  it('signing keys', async () => {
    expect(await growthOf('jwt_session.key_rotations', () => test.sessions.rotateKeys())).toEqual({ '': 1 });
    const { keys } = await test.sessions.status();
    expect(await read('jwt_session.key.verifying')).toEqual({ '': keys.verifying });
    expect(await read('jwt_session.key.signing')).toEqual({ '': 1 });
  });

  it('guarded requests are plain numbers, and need no statement', async () => {
    const { accessToken } = await test.sessions.logIn('ada');
    const thrice = async () => {
      for (let count = 0; count < 3; count++) expect(await me(test, accessToken!)).toBe('accepted');
    };
    const cached = await read('jwt_session.access_token.cached');
    expect(await growthOf('jwt_session.access_token.checks', thrice)).toEqual({ true: 2, false: 1 });
    expect(await read('jwt_session.access_token.cached')).toEqual({ '': cached['']! + 1 });
    const others = await growthOf('jwt_session.operation.duration', thrice);
    expect(others).toEqual({});
  });

  it('the state of the process is that of status()', async () => {
    const { session } = await test.sessions.logIn('ada');
    const kept = await read('jwt_session.revocation.kept');
    await test.sessions.logOut(session.id);
    expect(await read('jwt_session.revocation.kept')).toEqual({ '': kept['']! + 1 });
    const { load } = await test.sessions.status();
    expect(await read('jwt_session.store.waiting')).toEqual({ '': load.waiting });
    expect(await read('jwt_session.store.refused')).toEqual({ '': load.refused });
    await test.clock.advance('4s');
    await untilShown('jwt_session.revocation.staleness', () => feedOf(test).status.staleness / 1000);
    await untilShown('jwt_session.revocation.listening', () => Number(feedOf(test).status.listening));
  });

  it('accounts: registrations, logins, refusals, limits and mails', async () => {
    const registered = () => app.verified('ada@garden.example');
    expect(await growthOf('jwt_account.registrations', registered)).toEqual({ '': 1 });
    expect(await growthOf('jwt_account.log_ins', () => app.loggedIn('ada@garden.example'))).toEqual({ '': 1 });
    const mistake = () => app.post('login', { email: 'ada@garden.example', password: 'a wrong one' });
    expect(await growthOf('jwt_account.refusals', mistake)).toEqual({ invalid_credentials: 1 });
    expect(await growthOf('jwt_session.operation.duration', mistake)).toEqual({
      'account.logIn,invalid_credentials': 1,
    });
    const statements = await growthOf('db.client.operation.duration', () => app.loggedIn('ada@garden.example'));
    expect(Object.keys(statements)).toContain('postgresql,jwt_session_create_on_device');
    expect(Object.keys(statements).some(name => name.startsWith('postgresql,jwt_account'))).toBe(true);
    const recovered = async () => {
      await app.recoveryToken('ada@garden.example');
      // The mail arrives before the server has said so.
      await until(() => Promise.resolve(app.accountEvents.some(isRecovery)));
    };
    expect(await growthOf('jwt_account.mails', recovered)).toMatchObject({ 'recovery,sent': 1 });
  });

  it('each instrument is as declared, and nothing that a request brings, no id and no token is in a metric or span', async () => {
    const points = await sdk.read();
    for (const [name, all] of points) {
      const { attributes } = INSTRUMENTS[name as keyof typeof INSTRUMENTS] as Instrument;
      const found = new Set(all.flatMap(point => Object.keys(point.attributes)));
      expect([name, [...found].filter(key => !attributes.includes(key))]).toEqual([name, []]);
    }
    const client = new CookieClient(test.url);
    await client.logIn('zebedee', { colour: 'vermilion' });
    const { sessionId } = (await client.send('/me')).body;
    await client.refresh();
    await test.sessions.setData(sessionId!, { note: 'chartreuse' });
    await test.sessions.logOut(sessionId!, { reason: 'gamboge' });
    await client.refresh();
    const spans = sdk.takeSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
    const told = JSON.stringify([spans, [...(await sdk.read())], await sdk.scrape()]);
    const secrets = [...client.jar.values()].flatMap(value => [value, ...value.split('.')]);
    for (const secret of ['zebedee', 'vermilion', 'chartreuse', 'gamboge', sessionId!, '127.0.0.1', ...secrets]) {
      expect([secret, secret.length > 5 && told.includes(secret)]).toEqual([secret, false]);
    }
  });
});

it('F33: the reasons of this library count by name', () => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.ts') && !/^(client|schematics)/.test(file) && !file.endsWith('account.input.ts'),
  );
  const written = files.flatMap(file =>
    [...readFileSync(`lib/${file}`, 'utf8').matchAll(/reason(?::| =) '([a-z][a-z:-]+)'/g)].map(([, reason]) => reason!),
  );
  expect(written.length).toBeGreaterThan(12);
  expect(written.filter(reason => !REASONS.has(reason) && reason !== 'unknown')).toEqual([]);
});

describe('F33: several applications in one process', () => {
  let sdk: TelemetrySdk;
  beforeAll(async () => {
    sdk = await TelemetrySdk.start();
  });
  afterAll(() => sdk?.stop());

  const logIns = async () => (await sdk.read()).get('jwt_session.log_ins')?.[0]?.value ?? 0;
  const staleness = async () => (await sdk.read()).get('jwt_session.revocation.staleness')![0]!.value;

  it('counters add up, and an application that has closed is read no more', async () => {
    const first = await startTestApp({ session: { telemetry: true } });
    const second = await startTestApp({ session: { telemetry: true } });
    for (const { sessions } of [first, second]) await sessions.logIn('ada');
    expect(await logIns()).toBe(2);
    second.clock.advanceProcess('1h');
    await first.close();
    expect(await staleness()).toBeGreaterThanOrEqual(3600);
    await second.close();
    const last = await staleness();
    // The exporter repeats the last value.
    second.clock.advanceProcess('1h');
    expect(await staleness()).toBe(last);
    expect(await logIns()).toBe(2);
  });

  it('without the option nothing is measured, and the service is as it was', async () => {
    const before = JSON.stringify([...(await sdk.read())]);
    const test = await startTestApp();
    expect(Object.keys(test.sessions)).not.toContain('refresh');
    const { refreshToken } = await test.sessions.logIn('ada');
    await test.sessions.refresh({ refreshToken: refreshToken! });
    await test.close();
    expect(JSON.stringify([...(await sdk.read())])).toBe(before);
    expect(sdk.takeSpans().filter(({ name }) => name.includes('refresh'))).toEqual([]);
  });
});

describe('F33: a service that only verifies', () => {
  it('counts checks and refusals, and shows how fresh its knowledge is', async () => {
    const issuing = await startTestApp({ session: { revocations: { guard: ServiceGuard } } });
    const server = await RevocationsServer.inFrontOf(issuing);
    const sdk = await TelemetrySdk.start();
    const service = await startVerifier(
      'express',
      SessionVerifierModule.forRoot({
        jwksUri: `${issuing.url}/.well-known/jwks.json`,
        revocations: { url: server.url, token: SERVICE_TOKEN },
        telemetry: true,
      }),
      issuing.clock,
    );
    try {
      const { session, accessToken } = await issuing.sessions.logIn('ada');
      for (let count = 0; count < 3; count++) expect(await me(service, accessToken!)).toBe('accepted');
      await issuing.sessions.logOut(session.id);
      await service.app.get(RemoteRevocations).poll();
      expect(await me(service, accessToken!)).toBe('session_revoked');
      const points = await sdk.read();
      const valuesOf = (name: string) => points.get(name)!.map(({ attributes, value }) => ({ ...attributes, value }));
      expect(valuesOf('jwt_session.access_token.checks')).toEqual([
        { 'jwt_session.cached': true, value: 3 },
        { 'jwt_session.cached': false, value: 1 },
      ]);
      expect(valuesOf('jwt_session.refusals')).toEqual([{ 'error.type': 'session_revoked', value: 1 }]);
      expect(valuesOf('jwt_session.revocation.kept')).toEqual([{ value: 1 }]);
      expect(valuesOf('jwt_session.revocation.staleness')[0]!.value).toBeLessThan(30);
      expect([...points.keys()].filter(name => !(name in INSTRUMENTS))).toEqual([]);
    } finally {
      await service.app.close();
      await sdk.stop();
      await server.close();
      await issuing.close();
    }
  });
});
