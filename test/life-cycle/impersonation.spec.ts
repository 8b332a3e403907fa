import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  type Actor,
  CurrentSession,
  Exchange,
  type ImpersonateOptions,
  NotWhileImpersonating,
  RequireRecentLogin,
  SessionErrorInterceptor,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { UseInterceptors } from '@nestjs/common';
import { BearerClient } from '../support/bearer-client.js';
import { type Answer, CookieClient, send } from '../support/client.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const post = { method: 'POST' };

@Controller()
@UseGuards(SessionGuard)
@UseInterceptors(SessionErrorInterceptor)
class SupportController {
  constructor(private readonly sessions: SessionService) {}

  @Post('impersonate')
  @HttpCode(200)
  async impersonate(
    @CurrentSession() session: UserSession,
    @Body() { userId, ...options }: ImpersonateOptions & { userId: string },
    @Exchange() exchange: SessionExchange,
  ) {
    return this.sessions.impersonate(session, userId, { exchange, reason: 'ticket 7', ...options });
  }

  @Post('back')
  @HttpCode(200)
  back(@Exchange() exchange: SessionExchange) {
    return this.sessions.endImpersonation(exchange);
  }

  @Post('unguarded-back')
  @UseGuards()
  unguarded(@Exchange() exchange: SessionExchange) {
    return this.sessions.endImpersonation(exchange);
  }

  @Get('card')
  @RequireRecentLogin('5m')
  card() {
    return {};
  }

  @Post('consent')
  @HttpCode(200)
  @NotWhileImpersonating()
  consent() {
    return {};
  }

  /** As applications renew a session after a change of role. */
  @Post('renew')
  @HttpCode(200)
  renew(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(session.userId, { exchange });
  }

  @Post('reauthenticate')
  @HttpCode(200)
  reauthenticate(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.reauthenticate(session, { exchange });
  }
}

/** A client of either transport. */
interface Person {
  send: CookieClient['send'];
  refresh(): Promise<Answer>;
  logIn(userId: string): Promise<Answer>;
}

const impersonate = (userId: string, more: object = {}) => ({ method: 'POST', body: { userId, ...more } });

describe.each(PLATFORMS)('F35: an impersonation on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let count = 0;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({
      controllers: [SupportController],
      session: { session: { maxPerUser: 2 }, accessToken: { issuer: 'us', audience: 'us' } },
    });
  });
  afterAll(() => apps?.close());

  const start = (transport: string): Person =>
    transport === 'bearer' ? new BearerClient(test.url) : new CookieClient(test.url);

  /** Keeps the tokens of an answer; a cookie client has kept its own. */
  function keep(person: Person, answer: Answer): Answer {
    if (person instanceof BearerClient) {
      person.accessToken = answer.body.accessToken ?? person.accessToken;
      person.refreshToken = answer.body.refreshToken ?? person.refreshToken;
    }
    return answer;
  }

  /** An actor with a session of their own, who acts as a user of theirs. */
  async function begin(transport: string, options: object = {}) {
    const [admin, user] = [`admin${++count}`, `user${count}`];
    const person = start(transport);
    await person.logIn(admin);
    const own = (await person.send('/session')).body as unknown as { id: string };
    const former = person instanceof CookieClient ? person.copy() : (person as BearerClient).copy();
    const answer = keep(person, await person.send('/impersonate', impersonate(user, options)));
    expect(answer.status).toBe(200);
    const { id } = (await person.send('/session')).body as unknown as { id: string };
    return { admin, user, person, former, own: own.id, id };
  }

  describe.each(['cookie', 'bearer'])('by %s', transport => {
    it('acts as the user, names the actor in session and token, and gives the own session back', async () => {
      const { admin, user, person, own, id } = await begin(transport);
      const actor = { userId: admin, sessionId: own };
      expect((await person.send('/session')).body).toMatchObject({ userId: user, actor });
      expect(keep(person, await person.refresh()).status).toBe(200);
      const answer = await person.send('/session');
      expect(answer.body).toMatchObject({ userId: user, actor });
      const token = person instanceof CookieClient ? person.accessToken : (person as BearerClient).accessToken;
      const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as object;
      expect(payload).toMatchObject({ sub: user, sid: id, act: { sub: admin, sid: own } });

      expect(keep(person, await person.send('/back', post)).status).toBe(200);
      const { body } = await person.send('/session');
      expect(body).toMatchObject({ id: own, userId: admin });
      expect(body).not.toHaveProperty('actor');
      expect(keep(person, await person.refresh()).status).toBe(200);
      await test.advance('1m');
      expect(keep(person, await person.refresh()).status).toBe(200);
      expect((await person.send('/session')).body).toMatchObject({ id: own });
      expect(await test.sessions.get(id)).toBeNull();
    });

    it('a copy of its tokens, or of those that the actor had before, is of no use after its end', async () => {
      const { person, former, own } = await begin(transport);
      const [copy, another, third] = [1, 2, 3].map(() => (person as CookieClient).copy() as Person);
      keep(person, await person.send('/back', post));
      expect((await copy!.send('/me')).body.errorCode).toBe('session_revoked');
      expect((await another!.send('/back', post)).body.errorCode).toBe('session_revoked');
      expect((await third!.refresh()).body.errorCode).toBe('session_revoked');
      expect((await person.send('/me')).body.sessionId).toBe(own);
      // The actor's own refresh token of before, which another tab may have sent: within the leeway that is no theft.
      const underWay = (former as CookieClient).copy() as Person;
      const answer = await underWay.refresh();
      expect(answer).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
      expect(answer.setCookie).toEqual([]);
      expect((await person.send('/me')).body.sessionId).toBe(own);
      // After that the server sees a copy of it in use.
      await test.advance('31s');
      expect((await former.refresh()).body.errorCode).toBe('token_theft_detected');
      expect((await person.send('/me')).body.errorCode).toBe('token_theft_detected');
    });

    it('does not begin from within another, for the actor, or after the end of the actor', async () => {
      const { admin, user, person, own } = await begin(transport);
      expect(await person.send('/impersonate', impersonate('somebody'))).toMatchObject({
        status: 403,
        body: { errorCode: 'not_while_impersonating' },
      });
      keep(person, await person.send('/back', post));
      const self = await person.send('/impersonate', impersonate(admin));
      expect(self).toMatchObject({ status: 400, body: { errorCode: 'invalid_request' } });
      expect((await person.send('/back', post)).body.errorCode).toBe('invalid_request');
      await test.sessions.logOut(own);
      const late = test.sessions.impersonate({ id: own, userId: admin }, user);
      await expect(late).rejects.toMatchObject({ errorCode: 'session_revoked' });
    });

    it('becomes no session of its own: not by a new login, a renewal or its age', async () => {
      const { person, id } = await begin(transport, { lifetime: '20m' });
      for (const path of ['/renew', '/reauthenticate', '/consent']) {
        expect(await person.send(path, post)).toMatchObject({
          status: 403,
          body: { errorCode: 'not_while_impersonating' },
        });
      }
      expect((await person.send('/session')).body).toMatchObject({ id });
      for (let minutes = 0; minutes < 18; minutes += 9) {
        await test.advance('9m');
        expect(keep(person, await person.refresh()).status).toBe(200);
      }
      await test.advance('2m');
      expect((await person.send('/me')).status).toBe(401);
      expect((await person.refresh()).body.errorCode).toBe('session_expired');
    });

    it('is as recent a login as that of its actor', async () => {
      const person = start(transport);
      await person.logIn(`admin${++count}`);
      await test.advance('6m');
      keep(person, await person.send('/impersonate', impersonate(`user${count}`)));
      expect((await person.send('/card')).body.errorCode).toBe('insufficient_user_authentication');
    });

    it("ends with its actor's session, however that ends", async () => {
      const ends: ((of: { admin: string; own: string; former: Person }) => Promise<unknown>)[] = [
        ({ own }) => test.sessions.logOut(own),
        ({ admin }) => test.sessions.logOutAll(admin),
        ({ admin }) => test.sessions.logOutOthers({ userId: admin, id: '01890000-0000-7000-8000-000000000000' }),
        ({ own, admin }) => test.sessions.reauthenticate({ id: own, userId: admin }),
        // Beyond the limit of sessions.
        async ({ admin }) => [await test.sessions.logIn(admin), await test.sessions.logIn(admin)],
        ({ own, admin }) =>
          Promise.all([
            test.sessions.logOut(own),
            test.sessions.logOutAll('x'),
            test.sessions.logOut(own, { userId: admin }),
          ]),
      ];
      for (const end of ends) {
        const begun = await begin(transport);
        await end(begun);
        const copies = [1, 2].map(() => (begun.person as CookieClient).copy() as Person);
        expect((await copies[0]!.send('/me')).body.errorCode).toBe('session_revoked');
        expect((await copies[1]!.send('/back', post)).body.errorCode).toBe('session_revoked');
        expect((await begun.person.refresh()).body.errorCode).toBe('session_revoked');
        const [row] = await test.database.query<{ reason: string }>(
          'SELECT revoked_reason AS reason FROM jwt_session WHERE id = $1',
          [begun.id],
        );
        expect(row!.reason).toMatch(/^(logout|logout-all|logout-others|actor-replaced|evicted)$/);
        const told = test.events.filter(
          event => event.type === 'session.revoked' && event.sessionIds.includes(begun.id),
        );
        expect(told).toHaveLength(1);
      }
    });

    it('does not outlive the invalidation of the tokens of its actor', async () => {
      const { admin, person } = await begin(transport);
      await test.sessions.invalidateTokens(admin, 'access');
      expect((await person.send('/me')).body.errorCode).toBe('access_token_invalid');
      expect(keep(person, await person.refresh()).status).toBe(200);
      expect((await person.send('/me')).status).toBe(200);
      await test.sessions.invalidateTokens(admin, 'refresh');
      const copy = (person as CookieClient).copy() as Person;
      expect((await copy.refresh()).body.errorCode).toBe('session_revoked');
      expect((await person.send('/back', post)).body.errorCode).toBe('session_revoked');
    });

    it('ends when the user logs out everywhere, and is no session of the limit', async () => {
      const { user, person } = await begin(transport);
      const [first, second] = [start(transport), start(transport)];
      await first.logIn(user);
      await second.logIn(user);
      for (const client of [first, second, person]) expect((await client.send('/me')).status).toBe(200);
      await first.send('/session/logout-others', post);
      expect((await person.send('/me')).body.errorCode).toBe('session_revoked');
      expect((await first.send('/me')).status).toBe(200);
    });
  });

  it('is not among the devices of the user unless it is asked for', async () => {
    const { admin, user, person, own, id } = await begin('cookie');
    await test.sessions.logIn(user);
    const devices = (await person.send('/session/devices')).body as unknown as { id: string }[];
    expect(devices.map(device => device.id)).not.toContain(id);
    expect(devices).toHaveLength(1);
    const all = await test.sessions.list(user, { impersonations: true });
    const actor = { userId: admin, sessionId: own, reason: 'ticket 7' };
    expect(all.find(device => device.id === id)).toMatchObject({ actor });
    expect(all.filter(device => device.actor === null)).toHaveLength(1);
  });

  it('begins with an event that names both, and a new sign-in is not told', async () => {
    const { admin, user, own, id } = await begin('cookie');
    const actor = { userId: admin, sessionId: own };
    expect(test.events).toContainEqual({
      type: 'session.impersonated',
      sessionId: id,
      userId: user,
      actor,
      reason: 'ticket 7',
    });
    expect(test.events.some(event => event.type === 'session.created' && event.sessionId === id)).toBe(false);
  });

  it('refuses mistakes, and nothing is written', async () => {
    const { session } = await test.sessions.logIn(`admin${++count}`);
    const rows = async () => (await test.database.query('SELECT id FROM jwt_session')).length;
    const before = await rows();
    const mistakes: [Actor, unknown, object, string][] = [
      [session, 7, {}, 'SessionUsageError'],
      [session, 'ada', { lifetime: '30' }, 'SessionUsageError'],
      [session, 'ada', { lifetime: '0m' }, 'SessionUsageError'],
      [session, 'ada', { crossSite: true }, 'SessionUsageError'],
      [session, 'ada', { claims: { act: {} } }, 'SessionUsageError'],
      [session, 'ada', { reason: 'x'.repeat(256) }, 'InvalidRequestError'],
      [{ ...session, id: 'no-uuid', userId: session.userId }, 'ada', {}, 'SessionRevokedError'],
      [{ id: session.id, userId: 'another' }, 'ada', {}, 'SessionRevokedError'],
    ];
    for (const [actor, userId, options, name] of mistakes) {
      const refused = test.sessions.impersonate(actor, userId as string, options);
      expect(await refused.catch((error: Error) => error.constructor.name)).toBe(name);
    }
    expect(await rows()).toBe(before);
    expect((await send(`${test.url}/back`, post)).status).toBe(401);
  });
});
