import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  CurrentSession,
  Exchange,
  type IssuedTokens,
  RequireRecentLogin,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { DataSource, type EntityManager } from 'typeorm';
import { BearerClient } from '../support/bearer-client.js';
import { type Answer, CookieClient } from '../support/client.js';
import { untilWaiting } from '../support/races.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller()
class ConfirmController {
  constructor(private readonly sessions: SessionService) {}

  /** An application would ask for the password here. */
  @Post('confirm')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  confirm(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.reauthenticate(session, { exchange });
  }

  @Get('sensitive')
  @RequireRecentLogin('5m')
  sensitive() {
    return {};
  }
}

const UNKNOWN = '01990000-0000-7000-8000-000000000000';
const post = { method: 'POST' };

const idOf = (answer: Answer) => (answer.body.session as { id: string }).id;

describe.each(PLATFORMS)('reauthenticate on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let limited: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    const session = { idleLifetime: '1h', absoluteLifetime: '3h' };
    test = await apps.start({ controllers: [ConfirmController], session: { session } });
    limited = await apps.start({ session: { session: { maxPerUser: 1, onLimit: 'reject' } } });
  });
  afterAll(() => apps?.close());

  async function logIn(): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    await client.logIn('ada', { role: 'admin' });
    return client;
  }

  it('S13, S02: renews the login, with new tokens, and ends the session that the request carries', async () => {
    const client = await logIn();
    await test.advance('6m');
    await client.refresh();
    expect((await client.send('/sensitive')).body.errorCode).toBe('insufficient_user_authentication');
    const former = client.copy();
    const answer = await client.send('/confirm', post);
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('accessToken');
    expect(client.accessToken).not.toBe(former.accessToken);
    expect(client.refreshToken).not.toBe(former.refreshToken);
    expect((await client.send('/sensitive')).status).toBe(200);
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/sensitive')).status).toBe(200);
    expect((await former.sendOnly('/me')).body.errorCode).toBe('access_token_invalid');
    expect((await former.sendOnly('/session/refresh', post)).body.errorCode).toBe('session_revoked');
  });

  it('S06: renews the absolute lifetime, which refreshing does not', async () => {
    const [renewed, left] = [await logIn(), await logIn()];
    for (let round = 0; round < 3; round++) {
      await test.advance('50m');
      for (const client of [renewed, left]) expect((await client.refresh()).status).toBe(200);
    }
    expect((await renewed.send('/confirm', post)).status).toBe(200);
    await test.advance('45m');
    expect((await left.refresh()).body.errorCode).toBe('session_expired');
    expect((await renewed.refresh()).status).toBe(200);
  });

  it('keeps claims, data and label', async () => {
    const former = await test.sessions.logIn('ada', {
      claims: { role: 'admin' },
      data: { cart: [1] },
      label: 'Laptop',
    });
    const { session } = await test.sessions.reauthenticate(former.session);
    expect(session.id).not.toBe(former.session.id);
    expect(session.claims).toEqual({ role: 'admin' });
    expect(await test.sessions.getData(session.id)).toEqual({ cart: [1] });
    const devices = await test.sessions.list('ada');
    expect(devices.find(({ id }) => id === session.id)!.label).toBe('Laptop');
    expect(devices.map(({ id }) => id)).not.toContain(former.session.id);
  });

  it('takes other ones where they are given', async () => {
    const former = await test.sessions.logIn('ada', {
      claims: { role: 'admin' },
      data: { cart: [1] },
      label: 'Laptop',
    });
    const { session } = await test.sessions.reauthenticate(former.session, {
      claims: { role: 'user' },
      label: 'Phone',
    });
    expect(session.claims).toEqual({ role: 'user' });
    expect(await test.sessions.getData(session.id)).toEqual({ cart: [1] });
  });

  it('answers bearer clients in the body', async () => {
    const client = new BearerClient(test.url);
    await client.logIn('ada');
    const answer = await client.send('/confirm', post);
    expect(answer).toMatchObject({ status: 200, setCookie: [], body: { tokenType: 'Bearer' } });
    const headers = { authorization: `Bearer ${answer.body.accessToken}` };
    expect((await client.send('/sensitive', { headers })).body).toEqual({});
  });

  it('C02: a script with cookies cannot ask for the tokens in the body', async () => {
    const client = await logIn();
    const answer = await client.send('/confirm', { ...post, headers: { 'session-transport': 'bearer' } });
    expect(answer.body).not.toHaveProperty('accessToken');
    expect(idOf(answer)).toBe((await client.send('/me')).body.sessionId);
  });

  it("F31: does not count against the user's limit", async () => {
    const { session } = await limited.sessions.logIn('limited');
    const again = await limited.sessions.reauthenticate(session);
    expect((await limited.sessions.list('limited')).map(({ id }) => id)).toEqual([again.session.id]);
  });

  it("another user's session, one that has ended and one that never was are refused", async () => {
    const { session } = await test.sessions.logIn('ada');
    const ended = await test.sessions.logIn('ada');
    await test.sessions.logOut(ended.session.id);
    const before = (await test.sessions.list('ada')).length;
    for (const wrong of [
      { id: session.id, userId: 'grace' },
      ended.session,
      { id: UNKNOWN, userId: 'ada' },
      { id: 'nonsense', userId: 'ada' },
    ]) {
      await expect(test.sessions.reauthenticate(wrong)).rejects.toMatchObject({ errorCode: 'session_revoked' });
    }
    expect(await test.sessions.list('ada')).toHaveLength(before);
    expect(await test.sessions.list('grace')).toEqual([]);
  });

  describe('beside another request of the same session', () => {
    /** Reauthenticates while a transaction holds the session's row, which then ends as given. */
    async function during(session: UserSession, change: (manager: EntityManager) => Promise<unknown>) {
      const dataSource = test.app.get(DataSource);
      let renewed: Promise<IssuedTokens> | undefined;
      await dataSource.transaction(async manager => {
        await change(manager);
        renewed = test.sessions.reauthenticate(session);
        renewed.catch(() => undefined);
        await untilWaiting(test.database, 1);
      });
      return renewed!;
    }

    it('a log-out is not undone: no session takes the place of one that has ended', async () => {
      const { session } = await test.sessions.logIn('hopper');
      const renewed = during(session, manager => test.sessions.logOut(session.id, { manager }));
      await expect(renewed).rejects.toMatchObject({ errorCode: 'session_revoked' });
      expect(await test.sessions.list('hopper')).toEqual([]);
    });

    it('a role that is taken is not kept', async () => {
      const { session } = await test.sessions.logIn('lovelace', { claims: { role: 'admin' } });
      const renewed = await during(session, manager =>
        test.sessions.setClaims(session.id, { role: 'user' }, { manager }),
      );
      expect(renewed.session.claims).toEqual({ role: 'user' });
    });

    it('only one of two renewals at once succeeds', async () => {
      const { session } = await test.sessions.logIn('turing');
      const outcomes = await Promise.allSettled([1, 2].map(() => test.sessions.reauthenticate(session)));
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(await test.sessions.list('turing')).toHaveLength(1);
    });
  });
});
