import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { LoggerService } from '@nestjs/common';
import { filter, map, type Subscription } from 'rxjs';
import type { SessionEvent } from 'nestjs-jwt-session';
import { CookieClient, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { steal } from '../support/thefts.js';

const POST = { method: 'POST' };
const refused = (code: string) => [{ type: 'session.refused', code }];

describe.each(PLATFORMS)('events on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  /** What `run` leads to, in order; not how the feed of revocations fares meanwhile. */
  async function eventsOf(run: () => Promise<unknown>): Promise<SessionEvent[]> {
    const before = test.events.length;
    await run();
    return test.events.slice(before).filter(({ type }) => !type.startsWith('revocation.'));
  }

  async function logIn(): Promise<{ client: CookieClient; sessionId: string }> {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    return { client, sessionId: (await client.send('/me')).body.sessionId! };
  }

  it('L02: login, refresh, repeated refresh, log-out', async () => {
    const client = new CookieClient(test.url);
    const [created, ...others] = await eventsOf(() => client.logIn('ada'));
    const { sessionId } = (await client.send('/me')).body;
    const of = { sessionId, userId: 'ada' };
    expect([created, others]).toEqual([{ type: 'session.created', ...of, ip: '127.0.0.1', userAgent: 'node' }, []]);

    const lost = () => client.sendOnly('/session/refresh', POST);
    expect(await eventsOf(lost)).toEqual([{ type: 'session.refreshed', ...of, case: 'mint' }]);
    expect(await eventsOf(lost)).toEqual([{ type: 'session.replayed', ...of, case: 'retry-in-window' }]);
    await test.advance('31s');
    expect(await eventsOf(lost)).toEqual([{ type: 'session.replayed', ...of, case: 'retry-of-lost-response' }]);
    const late = client.copy();
    await client.refresh();
    expect(await eventsOf(() => client.refresh())).toEqual([{ type: 'session.refreshed', ...of, case: 'confirm' }]);
    expect(await eventsOf(() => client.refresh())).toEqual([{ type: 'session.refreshed', ...of, case: 'unchanged' }]);
    expect(await eventsOf(() => late.refresh())).toEqual([{ type: 'session.replayed', ...of, case: 'late-parent' }]);
    expect(await eventsOf(() => client.send('/session/logout', POST))).toEqual([
      { type: 'session.revoked', sessionIds: [sessionId], reason: 'logout', source: 'local' },
    ]);
    // There was nothing left to end.
    expect(await eventsOf(() => late.send('/session/logout', POST))).toEqual([]);
  });

  it('L02: a login that replaces a session, and one statement that ends several', async () => {
    await test.sessions.logOutAll('ada');
    const { client, sessionId } = await logIn();
    const events = await eventsOf(() => client.logIn('ada'));
    expect(events).toContainEqual({
      type: 'session.revoked',
      sessionIds: [sessionId],
      reason: 'replaced',
      source: 'local',
    });
    await logIn();
    const [revoked, ...rest] = await eventsOf(() => test.sessions.logOutAll('ada', { reason: 'disabled' }));
    expect(rest).toEqual([]);
    expect(revoked).toMatchObject({ type: 'session.revoked', reason: 'disabled', source: 'local' });
    expect(revoked!.type === 'session.revoked' && revoked!.sessionIds).toHaveLength(2);
  });

  it('L02: theft, with the right session and user', async () => {
    const { sessionId, thief } = await steal(test, 'stale', 'grace');
    expect(await eventsOf(() => thief.refresh())).toEqual([
      { type: 'session.revoked', sessionIds: [sessionId], reason: 'theft:stale', source: 'local' },
      { type: 'session.theft', sessionId, userId: 'grace', class: 'stale', ended: 1 },
      { type: 'session.refused', code: 'token_theft_detected', sessionId },
    ]);
  });

  it('L02: refusals, naming the session where the token was ours', async () => {
    const { client, sessionId } = await logIn();
    expect(await eventsOf(() => send(`${test.url}/me`))).toEqual(refused('session_missing'));
    expect(await eventsOf(() => send(`${test.url}/session/refresh`, POST))).toEqual(refused('session_missing'));
    const garbage = { ...POST, body: { refreshToken: 'garbage' } };
    expect(await eventsOf(() => send(`${test.url}/session/refresh`, garbage))).toEqual(
      refused('refresh_token_invalid'),
    );
    const body = { userId: '' };
    expect(await eventsOf(() => send(`${test.url}/login`, { ...POST, body }))).toEqual(refused('invalid_request'));
    const crossSite = { ...POST, headers: { 'sec-fetch-site': 'cross-site' } };
    expect(await eventsOf(() => client.sendOnly('/session/refresh', crossSite))).toEqual(refused('csrf_rejected'));

    const ours = (code: string) => [{ type: 'session.refused', code, sessionId }];
    await test.advance('11m');
    expect(await eventsOf(() => client.sendOnly('/me'))).toEqual(ours('access_token_expired'));
    await test.sessions.logOut(sessionId);
    expect(await eventsOf(() => client.sendOnly('/me'))).toEqual(ours('session_revoked'));
    expect(await eventsOf(() => client.sendOnly('/session/refresh', POST))).toEqual(ours('session_revoked'));
  });

  it('L01: no event carries a token, a secret or a hash', async () => {
    const tokens: string[] = [];
    const note = ({ refreshToken, accessToken }: CookieClient) => tokens.push(refreshToken, accessToken);
    const events = await eventsOf(async () => {
      const { victim, thief } = await steal(test, 'stale');
      note(victim);
      note(thief);
      await thief.refresh();
      const { client } = await logIn();
      note(client);
      const body = { refreshToken: client.accessToken };
      await send(`${test.url}/session/refresh`, { ...POST, body });
      await send(`${test.url}/me`, { headers: { authorization: `Bearer ${client.refreshToken}` } });
      await client.send('/session/logout', POST);
    });
    expect(events.length).toBeGreaterThan(8);
    const text = JSON.stringify(events);
    for (const token of tokens) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(token.slice(-40));
    }
    const rows = await test.database.query<{ hash: string }>(
      "SELECT encode(token_hash, 'hex') AS hash FROM jwt_session",
    );
    for (const { hash } of rows) expect(text).not.toContain(hash);
    expect(text).not.toMatch(/[\w-]{60}/);
  });
});

const ignore = (): void => undefined;
const fail = (): void => {
  throw new Error('subscriber failed');
};
const reject = async (): Promise<void> => {
  await Promise.resolve();
  throw new Error('subscriber failed');
};

describe('a subscriber that fails', () => {
  let test: TestApp;
  const logged: string[] = [];
  const subscriptions: Subscription[] = [];
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);

  beforeAll(async () => {
    test = await startTestApp();
    const logger: LoggerService = { log: ignore, warn: ignore, error: (message: string) => logged.push(message) };
    test.app.useLogger(logger);
    process.on('unhandledRejection', onUnhandled).on('uncaughtException', onUnhandled);
  });
  afterEach(() => {
    for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
    logged.length = 0;
  });
  afterAll(async () => {
    process.off('unhandledRejection', onUnhandled).off('uncaughtException', onUnhandled);
    await test?.close();
  });

  const FAILING: Record<string, (events: TestApp['sessions']['events']) => Subscription> = {
    throws: events => events.subscribe(fail),
    rejects: events => events.subscribe(reject),
    'throws as an observer': events => events.subscribe({ next: fail }),
    'rejects as an observer': events => events.subscribe({ next: reject }),
    'throws behind pipe(filter)': events =>
      events.pipe(filter(({ type }) => type === 'session.created')).subscribe(fail),
    'rejects behind pipe(filter)': events =>
      events.pipe(filter(({ type }) => type === 'session.created')).subscribe(reject),
    'throws within pipe(filter)': events =>
      events
        .pipe(
          filter(() => {
            throw new Error('subscriber failed');
          }),
        )
        .subscribe(),
    'rejects behind two operators': events =>
      events
        .pipe(
          map(({ type }) => type),
          filter(type => type === 'session.created'),
        )
        .subscribe({ next: reject }),
  };

  it.each(Object.entries(FAILING))('that %s is logged and harms nobody', async (_, subscribe) => {
    const seen: SessionEvent[] = [];
    subscriptions.push(
      subscribe(test.sessions.events),
      test.sessions.events.subscribe(event => seen.push(event)),
    );
    const client = new CookieClient(test.url);
    expect(await client.logIn('ada')).toMatchObject({ status: 200 });
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await client.send('/session/logout', POST)).toMatchObject({ status: 204 });
    // Unhandled rejections are announced after the microtasks, RxJS's own errors in a timer.
    await new Promise(resolve => setTimeout(resolve, 5));

    expect(seen.map(({ type }) => type)).toEqual(['session.created', 'session.refreshed', 'session.revoked']);
    expect(logged.join('\n')).toContain('subscriber failed');
    expect(unhandled).toEqual([]);
  });

  it('goes on getting events', async () => {
    let calls = 0;
    const subscription = test.sessions.events.subscribe(() => {
      calls++;
      fail();
    });
    subscriptions.push(subscription);
    await test.sessions.logIn('ada');
    await test.sessions.logIn('ada');
    expect(calls).toBe(2);
    subscription.unsubscribe();
    await test.sessions.logIn('ada');
    expect(calls).toBe(2);
  });
});
