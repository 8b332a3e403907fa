import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import {
  CurrentSession,
  Exchange,
  Public,
  RequireKeyBoundSession,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { calculateThumbprint } from 'dpop';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient, send } from '../support/client.js';
import { DpopClient } from '../support/dpop-client.js';
import { partsOf } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

@Controller('payments')
@Public()
class PaymentsController {
  @Get()
  @RequireKeyBoundSession()
  payments(@CurrentSession() { boundBy }: UserSession) {
    return { boundBy };
  }
}

@Controller('again')
@UseGuards(SessionGuard)
class AgainController {
  constructor(private readonly sessions: SessionService) {}

  @Post()
  @UseGuards(SessionGuard)
  again(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.reauthenticate(session, { exchange });
  }
}

describe.each(PLATFORMS)('sessions that are bound by DPoP on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let ada: DpopClient;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    test = await apps.start({
      session: { binding: { key: 'prefer' } },
      controllers: [PaymentsController, AgainController],
    });
  });
  afterAll(() => apps?.close());
  beforeEach(async () => {
    ada = await DpopClient.of(test.url);
    expect((await ada.logIn('ada')).status).toBe(200);
    test.events.length = 0;
  });

  const codeOf = async (answer: Promise<{ body: { errorCode?: string } }>) => (await answer).body.errorCode;

  it('P01: a login with a proof binds the session, in one statement', async () => {
    const client = await DpopClient.of(test.url);
    const proved = client.logIn('ada');
    const statements = await statementsDuring(test, () => proved);
    const { body } = await proved;
    expect(statements).toEqual(['jwt_session_create']);
    expect(body).toMatchObject({
      tokenType: 'DPoP',
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
    });
    const jkt = await calculateThumbprint(client.keys.publicKey);
    const { sid, cnf } = partsOf(client.accessToken).payload as { sid: string; cnf: object };
    expect(cnf).toEqual({ jkt });
    expect(test.events).toContainEqual({ type: 'session.bound', sessionId: sid, userId: 'ada', kind: 'dpop' });
    expect((await client.send('/session')).body).toMatchObject({ id: sid, boundBy: 'dpop' });
    expect((await test.sessions.get(sid))!.boundBy).toBe('dpop');
    const [device] = await test.sessions.list('ada');
    expect(device).toMatchObject({ id: sid, boundBy: 'dpop' });
  });

  it.each(['ES256', 'Ed25519'] as const)(
    'P02: a request with a proof by %s is accepted, without a statement',
    async name => {
      const client = await DpopClient.of(test.url, name);
      await client.logIn('ada');
      const statements = await statementsDuring(test, async () => {
        expect((await client.send('/me')).body).toMatchObject({ userId: 'ada' });
        expect((await client.send('/act', { method: 'POST', body: {} })).status).toBe(200);
        expect((await client.send('/me?page=2')).status).toBe(200);
      });
      expect(statements).toEqual([]);
    },
  );

  it('P03: the access token alone is refused, as Bearer, as DPoP and in a cookie', async () => {
    const { accessToken } = ada;
    const as = (headers: Record<string, string>) => send(`${test.url}/me`, { headers });
    const bearer = await as({ authorization: `Bearer ${accessToken}` });
    expect([bearer.status, bearer.body.errorCode]).toEqual([401, 'session_key_required']);
    expect(bearer.headers.get('www-authenticate')).toMatch(/^DPoP algs="ES256 EdDSA Ed25519", error="invalid_token", /);
    const alone = await as({ authorization: `DPoP ${accessToken}` });
    expect([alone.status, alone.body.errorCode]).toEqual([401, 'key_proof_invalid']);
    expect(alone.headers.get('www-authenticate')).toMatch(/^DPoP algs=".*", error="invalid_dpop_proof", /);
    expect(await codeOf(as({ cookie: `__Host-Http-access_token=${accessToken}` }))).toBe('session_key_required');
    await expect(test.sessions.verify(accessToken)).rejects.toMatchObject({ errorCode: 'session_key_required' });
    const { sid } = partsOf(accessToken).payload;
    expect(test.events).toEqual(
      ['session_key_required', 'key_proof_invalid', 'session_key_required'].map(code => ({
        type: 'session.refused',
        code,
        sessionId: sid,
      })),
    );
    expect((await ada.send('/me')).status).toBe(200);
  });

  it('P03: an expired or a forged token of the scheme DPoP gets a challenge of that scheme', async () => {
    const answer = await send(`${test.url}/me`, { headers: { authorization: 'DPoP x', dpop: 'x' } });
    expect(answer.body.errorCode).toBe('access_token_invalid');
    expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP algs=".*", error="invalid_token", /);
  });

  it('P04: a refresh with a proof answers a new access token and keeps the refresh token, in one statement', async () => {
    const { accessToken, refreshToken } = ada;
    const answers: unknown[] = [];
    const statements = await statementsDuring(test, async () => answers.push((await ada.refresh()).body));
    expect(statements).toEqual(['jwt_session_prove']);
    expect(answers).toEqual([
      { accessToken: expect.any(String), expiresIn: 600, expiresAt: expect.any(String), tokenType: 'DPoP' },
    ]);
    expect(ada.accessToken).not.toBe(accessToken);
    expect(ada.refreshToken).toBe(refreshToken);
    expect((await ada.send('/me')).status).toBe(200);
    expect(test.events).toContainEqual(expect.objectContaining({ type: 'session.refreshed', case: 'proved' }));
  });

  it('P04: fifty refreshes at once succeed, also those that share a statement', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ada.refresh()));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const others = await Promise.all(Array.from({ length: 20 }, () => DpopClient.of(test.url)));
    await Promise.all(others.map((client, number) => client.logIn(`user ${number}`)));
    const refreshed = await Promise.all(others.map(client => client.refresh()));
    expect(refreshed.map(({ status }) => status)).toEqual(others.map(() => 200));
    const bodies = await Promise.all(others.map(async client => (await client.send('/me')).body.userId));
    expect(bodies).toEqual(others.map((_, number) => `user ${number}`));
  });

  it('P05 B01: a stolen refresh token is refused without the key and with another one, and the session lives on', async () => {
    const copy = new BearerClient(test.url);
    copy.refreshToken = ada.refreshToken;
    const refused = await copy.refresh();
    expect([refused.status, refused.body.errorCode]).toEqual([401, 'session_key_required']);
    expect(refused.headers.get('www-authenticate')).toMatch(/^DPoP algs=/);
    const thief = (await DpopClient.of(test.url)).steal(ada);
    expect(await codeOf(thief.refresh())).toBe('key_proof_invalid');
    expect(await codeOf(thief.send('/me'))).toBe('key_proof_invalid');
    await expect(test.sessions.refresh({ refreshToken: ada.refreshToken })).rejects.toMatchObject({
      errorCode: 'session_key_required',
    });
    const { sid } = partsOf(ada.accessToken).payload;
    const refusals = test.events.filter(({ type }) => type === 'session.refused');
    expect(refusals).toEqual(refusals.map(event => ({ ...event, sessionId: sid })));
    expect(refusals).toHaveLength(4);
    expect((await ada.refresh()).status).toBe(200);
    expect((await ada.send('/me')).status).toBe(200);
  });

  it('P05: the refresh token of another session of the same client does not help either', async () => {
    const other = (await DpopClient.of(test.url)).steal(ada);
    await other.logIn('bob');
    expect(await codeOf(other.steal({ ...ada, accessToken: other.accessToken }).refresh())).toBe('key_proof_invalid');
  });

  it('P06: a bound session ends like any other: by log-out without a proof, and everywhere', async () => {
    const body = { refreshToken: ada.refreshToken };
    expect((await send(`${test.url}/session/logout`, { method: 'POST', body })).status).toBe(204);
    expect(await codeOf(ada.send('/me'))).toBe('session_revoked');
    expect(await codeOf(ada.refresh())).toBe('session_revoked');
    const another = await DpopClient.of(test.url);
    await another.logIn('ada');
    expect((await another.send('/session/logout', { method: 'POST' })).status).toBe(204);
    expect(await codeOf(another.send('/me'))).toBe('session_revoked');
  });

  it('P06: one proof serves all guards of a request, and the session that takes the place of the former one', async () => {
    const { status, body } = await ada.send('/again', { method: 'POST' });
    expect([status, body.tokenType]).toEqual([201, 'DPoP']);
    expect(await codeOf(ada.send('/me'))).toBe('access_token_invalid');
    const { accessToken, refreshToken } = body as { accessToken: string; refreshToken: string };
    ada.steal({ accessToken, refreshToken });
    expect((await ada.send('/me')).status).toBe(200);
    expect((await ada.refresh()).body.tokenType).toBe('DPoP');
  });

  it('P07: without a proof the session is an ordinary one, and cookies are not bound by DPoP', async () => {
    const bearer = new BearerClient(test.url);
    expect((await bearer.logIn('ada')).body.tokenType).toBe('Bearer');
    expect((await bearer.send('/me')).status).toBe(200);
    expect((await bearer.refresh()).status).toBe(200);
    expect((await bearer.send('/session')).body).not.toHaveProperty('boundBy');
    const cookies = new CookieClient(test.url);
    const dpop = await ada.proof('POST', '/login');
    await cookies.send('/login', { method: 'POST', headers: { dpop }, body: { userId: 'ada' } });
    expect((await cookies.send('/me')).status).toBe(200);
    expect((await cookies.refresh()).status).toBe(200);
  });

  it('P07: a client that began without a key, and proves one later, keeps its session and its scheme', async () => {
    const bearer = new BearerClient(test.url);
    await bearer.logIn('ada');
    await test.advance('31s');
    ada.steal(bearer);
    expect((await ada.refresh()).body).toMatchObject({ tokenType: 'Bearer', refreshToken: expect.any(String) });
    expect((await ada.send('/me')).status).toBe(200);
  });

  it('B03: @RequireKeyBoundSession() admits bound sessions only, also on a public route', async () => {
    expect((await ada.send('/payments')).body).toEqual({ boundBy: 'dpop' });
    const bearer = new BearerClient(test.url);
    await bearer.logIn('ada');
    const { status, body } = await bearer.send('/payments');
    expect([status, body.errorCode]).toEqual([403, 'session_key_required']);
    expect(await codeOf(send(`${test.url}/payments`))).toBe('session_missing');
  });
});

describe.each(PLATFORMS)('the option binding.key on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  it('P08 B04: require refuses logins without a proof, and sessions that began without a key', async () => {
    const before = await apps.start();
    const [bearer, cookies] = [new BearerClient(before.url), new CookieClient(before.url)];
    await bearer.logIn('ada');
    await cookies.logIn('ada');
    await apps.stop();
    const test = await apps.start({ session: { binding: { key: 'require' } } });
    const refused = await new BearerClient(test.url).logIn('ada');
    expect([refused.status, refused.body.errorCode]).toEqual([400, 'key_proof_invalid']);
    for (const body of [{ refreshToken: bearer.refreshToken }]) {
      const answer = await send(`${test.url}/session/refresh`, { method: 'POST', body });
      expect([answer.status, answer.body.errorCode]).toEqual([401, 'session_key_required']);
    }
    const ada = await DpopClient.of(test.url);
    expect((await ada.logIn('ada')).status).toBe(200);
    expect((await ada.refresh()).status).toBe(200);
    const moved = Object.assign(new CookieClient(test.url), { jar: cookies.jar });
    const answer = await moved.refresh();
    expect([answer.status, answer.body.errorCode]).toEqual([401, 'session_key_required']);
    expect(moved.jar.size).toBe(0);
    await apps.stop();
  });

  it('P08: off binds no new session and ignores proofs at login; bound sessions stay bound', async () => {
    const before = await apps.start({ session: { binding: { key: 'prefer' } } });
    const ada = await DpopClient.of(before.url);
    await ada.logIn('ada');
    await apps.stop();
    const test = await apps.start();
    const moved = Object.assign(await DpopClient.of(test.url), { keys: ada.keys }).steal(ada);
    expect((await moved.send('/me')).status).toBe(200);
    expect((await moved.refresh()).body.tokenType).toBe('DPoP');
    const copy = new BearerClient(test.url);
    copy.refreshToken = ada.refreshToken;
    expect((await copy.refresh()).body.errorCode).toBe('session_key_required');
    const bob = await DpopClient.of(test.url);
    expect((await bob.logIn('bob')).body.tokenType).toBe('Bearer');
    await apps.stop();
  });
});
