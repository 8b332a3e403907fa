import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  CurrentSession,
  Exchange,
  type LogInOptions,
  SessionExchange,
  SessionGuard,
  SessionService,
  SessionUsageError,
  UserSession,
} from 'nestjs-jwt-session';
import { type Answer, CookieClient } from '../support/client.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller()
class ConfirmController {
  constructor(private readonly sessions: SessionService) {}

  @Post('confirm')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  confirm(
    @CurrentSession() session: UserSession,
    @Body() options: LogInOptions,
    @Exchange() exchange: SessionExchange,
  ) {
    return this.sessions.reauthenticate(session, { ...options, exchange });
  }
}

const expired = { status: 401, body: { errorCode: 'session_expired' } };

/** Whether each of the cookies that an answer sets outlives the browser. */
const outlive = ({ setCookie }: Answer) => setCookie.map(cookie => /; Max-Age=[1-9]/.test(cookie));

describe.each(PLATFORMS)('the lifetimes of a login on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({
      controllers: [LogInWithController, ConfirmController],
      session: { csrf: 'both', session: { idleLifetime: '10h', absoluteLifetime: '30h' } },
    });
  });
  afterAll(() => apps?.close());

  async function logIn(options: LogInOptions): Promise<[CookieClient, Answer]> {
    const client = new CookieClient(test.url);
    const answer = await client.send('/log-in-with', { method: 'POST', body: { userId: 'ada', ...options } });
    expect(answer.status).toBe(200);
    return [client, answer];
  }

  const confirm = (client: CookieClient, body: LogInOptions) => {
    const csrf = client.jar.get('__Host-csrf_token')!;
    return client.send('/confirm', { method: 'POST', body, headers: { 'x-csrf-token': csrf } });
  };
  const refresh = (client: CookieClient) => {
    const csrf = client.jar.get('__Host-csrf_token')!;
    return client.send('/session/refresh', { method: 'POST', headers: { 'x-csrf-token': csrf } });
  };

  it('S05: without "remember" the four cookies end with the browser, also after refreshes and a new login', async () => {
    const [client, answer] = await logIn({ remember: false });
    expect(outlive(answer)).toEqual([false, false, false, false]);
    await test.advance('31s');
    expect(outlive(await refresh(client))).toEqual([false, false, false, false]);
    await test.advance('1h');
    expect(outlive(await refresh(client))).toEqual([false, false, false, false]);
    // In the window the refresh token is not set again.
    expect(outlive(await refresh(client))).toEqual([false, false]);
    expect(outlive(await confirm(client, {}))).toEqual([false, false, false, false]);
    expect(outlive(await confirm(client, { remember: true }))).toEqual([true, true, true, true]);
    await test.advance('1h');
    expect(outlive(await refresh(client))).toEqual([true, true, true, true]);
  });

  it('S05: the session itself lives as the options say, and cookies of a log-out are expired', async () => {
    const [client] = await logIn({ remember: false });
    await test.advance('9h');
    expect(await refresh(client)).toMatchObject({ status: 200 });
    const csrf = client.jar.get('__Host-csrf_token')!;
    const ended = await client.send('/session/logout', { method: 'POST', headers: { 'x-csrf-token': csrf } });
    expect(ended.status).toBe(204);
    expect(client.jar).toEqual(new Map());
  });

  it('S04: an idle lifetime of its own slides, and other sessions keep theirs', async () => {
    const [[short], [ordinary]] = [await logIn({ idleLifetime: '2h' }), await logIn({})];
    for (let refreshes = 0; refreshes < 3; refreshes++) {
      await test.advance('119m');
      expect(await refresh(short)).toMatchObject({ status: 200 });
    }
    await test.advance('121m');
    expect(await refresh(short)).toMatchObject(expired);
    expect(await refresh(ordinary)).toMatchObject({ status: 200 });
  });

  it('S05: an absolute lifetime of its own ends a session despite activity, and bounds its cookies', async () => {
    const [client, answer] = await logIn({ absoluteLifetime: '3h' });
    expect(outlive(answer)).toEqual([true, true, true, true]);
    expect(answer.setCookie.map(cookie => Number(/Max-Age=(\d+)/.exec(cookie)![1]))).toEqual([
      10_800, 10_800, 10_800, 10_800,
    ]);
    await test.advance('100m');
    expect(await refresh(client)).toMatchObject({ status: 200 });
    await test.advance('81m');
    expect(await refresh(client)).toMatchObject(expired);
  });

  it('S04, S05: a new login of a session keeps its lifetimes, counted from then, unless others are given', async () => {
    const [client] = await logIn({ idleLifetime: '2h', absoluteLifetime: '3h' });
    await test.advance('110m');
    await refresh(client);
    expect(await confirm(client, {})).toMatchObject({ status: 200 });
    await test.advance('100m');
    expect(await refresh(client)).toMatchObject({ status: 200 });
    await test.advance('81m');
    expect(await refresh(client)).toMatchObject(expired);

    const [other] = await logIn({ idleLifetime: '2h' });
    expect(await confirm(other, { idleLifetime: '5h' })).toMatchObject({ status: 200 });
    await test.advance('4h');
    expect(await refresh(other)).toMatchObject({ status: 200 });
  });

  it('S04: sessions that begin in one statement have their own lifetimes', async () => {
    const lifetimes: LogInOptions[] = [{}, { idleLifetime: '1h' }, { absoluteLifetime: '2h' }, { remember: false }];
    const issued = await Promise.all(
      [...lifetimes, ...lifetimes].map((options, index) => test.sessions.logIn(`user-${index}`, options)),
    );
    const hours = issued.map(({ session }) =>
      Math.round((session.expiresAt.getTime() - session.authenticatedAt.getTime()) / 3_600_000),
    );
    expect(hours).toEqual([10, 1, 2, 10, 10, 1, 2, 10]);
  });

  it('S04: a shorter option holds for sessions that began with a longer lifetime', async () => {
    const [client] = await logIn({ idleLifetime: '8h' });
    const session = { csrf: 'both', session: { idleLifetime: '1h', absoluteLifetime: '30h' } } as const;
    const successor = new CookieClient((await apps.start({ session })).url);
    client.jar.forEach((value, name) => successor.jar.set(name, value));
    expect(await refresh(successor)).toMatchObject({ status: 200 });
    await test.advance('61m');
    expect(await refresh(successor)).toMatchObject(expired);
  });

  it.each([
    [{ remember: 'false' }, /"remember": write true or false/],
    [{ idleLifetime: 3600 }, /"idleLifetime": write a duration with a unit/],
    [{ idleLifetime: 'none' }, /"idleLifetime": write a duration/],
    [{ idleLifetime: '9m' }, /"idleLifetime": write '600s' or more/],
    [{ idleLifetime: '11h' }, /"idleLifetime" must not be longer than the option "session.idleLifetime"/],
    [{ absoluteLifetime: '31h' }, /"absoluteLifetime" must not be longer than the option "session.absoluteLifetime"/],
    [{ absoluteLifetime: '0s' }, /"absoluteLifetime": write '1s' or more/],
  ])('S04: %j is a mistake of the caller, and begins no session', async (options, message) => {
    const before = await test.sessions.list('grace');
    const login = test.sessions.logIn('grace', options as LogInOptions);
    await expect(login).rejects.toThrow(SessionUsageError);
    await expect(login).rejects.toThrow(message);
    expect(await test.sessions.list('grace')).toEqual(before);
  });
});
