import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Post, UseGuards, UseInterceptors } from '@nestjs/common';
import {
  type ClaimsProvider,
  type ClaimsRequest,
  CurrentSession,
  Exchange,
  type SessionClaims,
  SessionErrorInterceptor,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { SessionTimers } from '../../lib/common/clock.js';
import { CookieClient } from '../support/client.js';
import { usageErrorOf } from '../support/logged-errors.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

/** What the application says of every user; tests change it. */
let answer: (request: ClaimsRequest) => SessionClaims | null | Promise<SessionClaims | null>;
const asked: ClaimsRequest[] = [];

const ask = (request: ClaimsRequest) => {
  asked.push(request);
  return answer(request);
};

/** Injects the service of the module that will ask it. */
@Injectable()
class UsersService implements ClaimsProvider {
  constructor(readonly sessions: SessionService) {}

  claimsFor(request: ClaimsRequest) {
    if (!this.sessions) throw new Error('not injected');
    return ask(request);
  }
}

@Controller('support')
@UseGuards(SessionGuard)
@UseInterceptors(SessionErrorInterceptor)
class SupportController {
  constructor(private readonly sessions: SessionService) {}

  @Post('begin')
  begin(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.impersonate(session, 'grace', { exchange });
  }

  @Post('end')
  end(@Exchange() exchange: SessionExchange) {
    return this.sessions.endImpersonation(exchange);
  }
}

const refresh = { method: 'POST' };

const claimsOf = async (client: CookieClient) => (await client.send('/me')).body.claims;

/** Gives up at once what waits for the hook. */
class HookTimers extends SessionTimers {
  hangs = false;

  override within<T>(milliseconds: number, given: Promise<T>, late: () => Error): Promise<T> {
    return super.within(this.hangs ? 1 : milliseconds, given, late);
  }
}

describe('F23: a claims hook that never answers', () => {
  const timers = new HookTimers();
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      session: { claims: ask, overload: { maxWait: '100ms' } },
      override: builder => void builder.overrideProvider(SessionTimers).useValue(timers),
    });
  });
  afterAll(() => test?.close());

  it('refuses its own requests and keeps no turn, so that others are let in afterwards', async () => {
    answer = () => new Promise(() => undefined);
    timers.hangs = true;
    const logIns = Array.from({ length: 40 }, () => test.sessions.logIn('ada'));
    const late = await Promise.allSettled(logIns);
    for (const { reason } of late as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ errorCode: 'session_store_unavailable' });
    }
    expect(await test.sessions.list('ada')).toEqual([]);
    timers.hangs = false;
    answer = () => ({ role: 'user' });
    expect((await test.sessions.status()).load.waiting).toBe(0);
    expect((await test.sessions.logIn('ada')).session.claims).toEqual({ role: 'user' });
  });
});

describe.each(PLATFORMS)('F23: the claims hook on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  describe.each(['function', 'provider'])('as a %s', form => {
    let test: TestApp;
    beforeAll(async () => {
      const claims = form === 'function' ? ask : UsersService;
      test = await apps.start({ session: { claims }, providers: [UsersService], controllers: [SupportController] });
    });
    beforeEach(async () => {
      answer = () => ({ role: 'user' });
      await test.sessions.logOutAll('ada');
      asked.length = 0;
      test.events.length = 0;
    });

    async function logIn(claims?: SessionClaims): Promise<CookieClient> {
      const client = new CookieClient(test.url);
      expect((await client.logIn('ada', claims)).status).toBe(200);
      return client;
    }

    it('F35: it is told of an actor, at the begin of an impersonation and at each refresh', async () => {
      const { session } = await test.sessions.logIn('support');
      answer = ({ actor }) => ({ role: 'user', ...(actor && { limited: true }) });
      asked.length = 0;
      const issued = await test.sessions.impersonate(session, 'ada');
      expect(issued.session.claims).toEqual({ role: 'user', limited: true });
      const refreshed = await test.sessions.refresh({ refreshToken: issued.refreshToken! });
      expect(refreshed.session.claims).toEqual({ role: 'user', limited: true });
      const actor = { userId: 'support', sessionId: session.id };
      expect(asked.map(request => request.actor)).toEqual([actor, actor]);
      await test.sessions.logIn('ada');
      expect(asked.at(-1)).not.toHaveProperty('actor');
    });

    it('F35: it is asked of the actor at the end of an impersonation', async () => {
      const client = await logIn();
      expect((await client.send('/support/begin', { method: 'POST' })).status).toBe(201);
      answer = () => ({ role: 'reader' });
      expect((await client.send('/support/end', { method: 'POST' })).status).toBe(201);
      expect(await claimsOf(client)).toEqual({ role: 'reader' });

      expect((await client.send('/support/begin', { method: 'POST' })).status).toBe(201);
      answer = ({ userId }) => (userId === 'ada' ? null : {});
      const refused = await client.send('/support/end', { method: 'POST' });
      expect(refused).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
      expect((await client.send('/me')).body.errorCode).toBe('session_revoked');
      expect(await test.sessions.list('ada')).toEqual([]);
    });

    it('its answer replaces what login was given', async () => {
      const client = await logIn({ role: 'admin', theme: 'dark' });
      expect(await claimsOf(client)).toEqual({ role: 'user' });
      const { body } = await client.send('/me');
      expect(asked).toEqual([{ userId: 'ada', sessionId: body.sessionId, claims: { role: 'admin', theme: 'dark' } }]);
    });

    it('scenario 17: the role is read again at refresh, and kept', async () => {
      const client = await logIn();
      answer = () => Promise.resolve({ role: 'admin' });
      expect(await claimsOf(client)).toEqual({ role: 'user' });
      expect((await client.refresh()).status).toBe(200);
      expect(await claimsOf(client)).toEqual({ role: 'admin' });
      const { sessionId } = (await client.send('/me')).body;
      expect((await test.sessions.get(sessionId!))!.claims).toEqual({ role: 'admin' });
      expect(asked.at(-1)).toEqual({ userId: 'ada', sessionId, claims: { role: 'user' } });
    });

    it('refreshing takes one statement while the claims are the same', async () => {
      const client = await logIn();
      answer = () => ({ role: 'user' });
      expect(await statementsDuring(test, () => client.refresh())).toEqual(['jwt_session_rotate']);
    });

    it("S09, scenario 17: null at refresh refuses, ends all of the user's sessions and clears the cookies", async () => {
      const [client, other] = [await logIn(), await logIn()];
      answer = ({ userId }) => (userId === 'ada' ? null : {});
      const refused = await client.send('/session/refresh', refresh);
      expect(refused).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
      expect(client.jar).toEqual(new Map());
      expect((await other.sendOnly('/me')).body.errorCode).toBe('session_revoked');
      expect((await other.sendOnly('/session/refresh', refresh)).body.errorCode).toBe('session_revoked');
      expect(await test.sessions.list('ada')).toEqual([]);
      expect(test.events).toContainEqual(
        expect.objectContaining({ type: 'session.revoked', reason: 'refused-by-claims', source: 'local' }),
      );
    });

    it("null at login refuses and ends all of the user's sessions", async () => {
      const client = await logIn();
      answer = () => null;
      const refused = new CookieClient(test.url);
      expect(await refused.logIn('ada')).toMatchObject({ status: 401, body: { errorCode: 'session_revoked' } });
      expect(refused.jar).toEqual(new Map());
      expect((await client.send('/me')).body.errorCode).toBe('session_revoked');
      expect(await test.sessions.list('ada')).toEqual([]);
    });

    it.each<[string, SessionClaims, RegExp]>([
      ['a registered name', { sub: 'grace' }, /claims\.sub/],
      ['what is not JSON', { since: new Date() }, /claims\.since.*not JSON/],
      ['more than a cookie holds', { text: 'x'.repeat(4_000) }, /bytes longer than browsers take/],
      ['nothing', undefined as unknown as SessionClaims, /plain object/],
    ])('%s is refused clearly, at login and at refresh, and the session lives on', async (_, claims, message) => {
      const client = await logIn();
      answer = () => claims;
      expect(await usageErrorOf(test.app, () => new CookieClient(test.url).logIn('ada'))).toMatch(message);
      expect(await usageErrorOf(test.app, () => client.send('/session/refresh', refresh))).toMatch(message);
      answer = () => ({ role: 'user' });
      await apps.clock.advance('1m');
      expect((await client.refresh()).status).toBe(200);
      expect(await claimsOf(client)).toEqual({ role: 'user' });
    });

    it('a hook that fails is an error of the application; the client tries again, and no theft is detected', async () => {
      const client = await logIn();
      answer = () => {
        throw new Error('the users table is gone');
      };
      for (let attempt = 0; attempt < 3; attempt++) {
        expect(await client.send('/session/refresh', refresh)).toMatchObject({ status: 500, setCookie: [] });
        await apps.clock.advance('1m');
      }
      answer = () => ({ role: 'user' });
      expect((await client.refresh()).status).toBe(200);
      expect((await client.send('/me')).status).toBe(200);
      expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    });

    it('refreshes at once all have the answer of now', async () => {
      const client = await logIn();
      await apps.clock.advance('1m');
      answer = async () => ({ role: await Promise.resolve('admin') });
      const answers = await Promise.all(Array.from({ length: 10 }, () => client.sendOnly('/session/refresh', refresh)));
      for (const one of answers) {
        const tab = client.copy();
        tab.keep(one);
        expect(await claimsOf(tab)).toEqual({ role: 'admin' });
      }
    });
  });
});
