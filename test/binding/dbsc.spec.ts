import { Body, Controller, HttpCode, HttpException, Post, UseGuards, UseInterceptors } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CurrentSession,
  Exchange,
  SessionErrorInterceptor,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { ACCESS_COOKIE, BOUND_COOKIE, REFRESH_COOKIE } from '../support/client.js';
import { parseCookie } from '../support/cookie-jar-client.js';
import { DbscBrowser, newKeyPair, proofOf, publicJwk, registrationOf, signProof } from '../support/dbsc-browser.js';
import { PLATFORMS, SECRET, type TestApp } from '../support/test-app.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { TestApps } from '../support/test-apps.js';
import { statementsDuring } from '../support/statement-watch.js';

const OTHER_SECRET = 'another-secret-that-is-long-enough-for-everybody';

@Controller()
class Visits {
  constructor(private readonly sessions: SessionService) {}

  @Post('visit')
  logIn(@Body() { userId }: { userId: string }, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(userId, { exchange, remember: false });
  }
}

@Controller()
class Passwords {
  constructor(private readonly sessions: SessionService) {}

  @Post('again')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  confirm(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return this.sessions.reauthenticate(session, { exchange });
  }
}

@Controller()
@UseInterceptors(SessionErrorInterceptor)
class Support {
  constructor(private readonly sessions: SessionService) {}

  @Post('back')
  @UseGuards(SessionGuard)
  back(@Exchange() exchange: SessionExchange) {
    return this.sessions.endImpersonation(exchange);
  }
}

describe.each(PLATFORMS)('sessions that a browser binds to a key (DBSC, %s)', platform => {
  let apps: TestApps;
  let app: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    apps = await TestApps.on(platform);
    app = await apps.start({ session: { binding: { key: 'prefer' } }, controllers: [Visits, Passwords, Support] });
    other = await apps.start({ session: { binding: { key: 'prefer' }, secret: [OTHER_SECRET, SECRET] } });
  });
  afterAll(() => apps.close());

  async function bound(userId: string): Promise<DbscBrowser> {
    const browser = await DbscBrowser.at(app.url);
    await browser.bind(userId, app.confirmUses);
    return browser;
  }

  const codesOf = (userAction: number) => app.events.slice(userAction).map(event => event.type);

  describe('the registration', () => {
    it('D01 is offered at the login and at no refresh', async () => {
      const browser = await DbscBrowser.at(app.url);
      const login = await browser.logInAs('offer');
      expect(login.headers.get('secure-session-registration')).toMatch(
        /^\(ES256\);path="\/session\/key";challenge="[\w-]{32}\.[0-9a-f-]{36}\.script"$/,
      );
      const refresh = await browser.refresh();
      expect(refresh.status).toBe(200);
      expect(refresh.headers.get('secure-session-registration')).toBeNull();
    });

    it('is offered to no bearer client, and to none that does not say how it asks', async () => {
      const browser = await DbscBrowser.at(app.url);
      const bearer = await browser.sendOnly('/login', {
        method: 'POST',
        headers: { 'session-transport': 'bearer' },
        body: { userId: 'bearer' },
      });
      expect(bearer.body.accessToken).toEqual(expect.any(String));
      expect(bearer.headers.get('secure-session-registration')).toBeNull();
      const silent = await browser.logIn('silent');
      expect(silent.headers.get('secure-session-registration')).toBeNull();
    });

    it('D01 is offered to no login that ends with the browser', async () => {
      const browser = await DbscBrowser.at(app.url);
      const answer = await browser.logInAs('forgotten', 'cors', '/visit');
      expect(browser.jar.has(REFRESH_COOKIE)).toBe(true);
      expect(answer.headers.get('secure-session-registration')).toBeNull();
    });

    it('D02 gives instructions, a shorter cookie and a challenge, and takes the refresh cookie', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('registers');
      const answer = await browser.register();
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(answer.body).toEqual({
        session_identifier: expect.stringMatching(/^[\w-]{128}$/),
        refresh_url: '/session/key',
        scope: { include_site: false, scope_specification: [] },
        credentials: [{ type: 'cookie', name: BOUND_COOKIE, attributes: 'Path=/; HttpOnly; Secure; SameSite=Lax' }],
        allowed_refresh_initiators: ['*'],
      });
      const attributes = { 'Max-Age': '590', Path: '/', HttpOnly: true, Secure: true, SameSite: 'Lax' };
      const set = answer.setCookie.map(parseCookie).filter(({ value }) => value !== '');
      expect(set).toEqual([
        { name: ACCESS_COOKIE, value: expect.any(String), attributes },
        { name: BOUND_COOKIE, value: '1', attributes },
      ]);
      expect(browser.jar.has(REFRESH_COOKIE)).toBe(false);
      expect((await browser.send('/me')).body.userId).toBe('registers');
      expect((await browser.send('/session')).body.boundBy).toBe('dbsc');
    });

    it('B02 binds from the first use on, which is announced', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('first-use');
      const before = browser.stolen();
      const start = app.events.length;
      await browser.register();
      // The answer may be lost: the login's refresh token counts until the new cookie is seen.
      expect((await before.copy().sendOnly('/session/refresh', { method: 'POST' })).status).toBe(200);
      await browser.send('/me');
      await app.confirmUses();
      expect(app.events.slice(start)).toContainEqual({
        type: 'session.bound',
        sessionId: expect.any(String),
        userId: 'first-use',
        kind: 'dbsc',
      });
      expect((await before.refresh()).body.errorCode).toBe('session_key_required');
      expect((await app.sessions.list('first-use')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('B02 binds from the first proof on, where that precedes the first use, which is announced once', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('first-proof');
      const before = browser.stolen();
      const start = app.events.length;
      await browser.register();
      expect((await browser.prove()).status).toBe(204);
      expect((await browser.prove()).status).toBe(204);
      await browser.send('/me');
      await app.confirmUses();
      expect(codesOf(start)).toEqual(['session.bound', 'session.refreshed', 'session.refreshed']);
      expect((await before.refresh()).body.errorCode).toBe('session_key_required');
    });

    it('D01 is offered at a re-authentication, also of a session that is bound', async () => {
      const browser = await bound('again');
      const former = browser.instructions!.session_identifier;
      await browser.logInAs('again', 'cors', '/again');
      expect((await browser.register()).status).toBe(200);
      expect(browser.instructions!.session_identifier).not.toBe(former);
      await browser.send('/me');
      await app.confirmUses();
      expect((await browser.prove()).status).toBe(204);
      expect((await app.sessions.list('again')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('D02 looks at the challenge before the signature, which takes longer', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('cheap');
      const messageOf = async (challenge: string) => {
        const proof = await registrationOf(challenge, browser.keys);
        const forged = proof.replace(/[^.]+$/, 'A'.repeat(86));
        const { status, body } = await browser.register({ headers: { 'secure-session-response': forged } });
        return [status, body.message];
      };
      const { challenge } = browser.registration!;
      expect(await messageOf(challenge)).toEqual([401, expect.stringContaining('signature')]);
      expect(await messageOf(`x${challenge.slice(1)}`)).toEqual([401, expect.stringContaining('challenge')]);
    });

    it('D02 comes three times, and once more when the key is in force', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('thrice');
      const cookies = browser.stolen();
      expect((await browser.register()).status).toBe(200);
      cookies.jar.forEach((value, name) => browser.jar.set(name, value));
      expect((await browser.register()).status).toBe(200);
      await browser.send('/me');
      await app.confirmUses();
      expect((await browser.register()).status).toBe(200);
      expect((await browser.prove()).status).toBe(204);
    });

    it('D02 of another key is refused, and nothing ends', async () => {
      const browser = await bound('second-key');
      const another = { ...(await newKeyPair()) };
      const headers = { 'secure-session-response': await registrationOf(browser.registration!.challenge, another) };
      const answer = await browser.register({ headers });
      expect(answer.status).toBe(401);
      expect(answer.body.errorCode).toBe('key_proof_invalid');
      expect(answer.setCookie).toEqual([]);
      expect((await browser.prove()).status).toBe(204);
    });

    it.each(['cors', 'same-origin', 'navigate', 'websocket'])('D03 by a script is refused (mode %s)', async mode => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('script');
      expect((await browser.register({ headers: { 'sec-fetch-mode': mode } })).status).toBe(401);
      expect((await browser.register({ headers: { 'sec-fetch-mode': 'no-cors' } })).status).toBe(200);
    });

    it('D03 after a login by a script needs a cookie of that session', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('with-cookie');
      const elsewhere = await DbscBrowser.at(app.url);
      elsewhere.registration = browser.registration;
      expect((await elsewhere.register()).status).toBe(401);
      await elsewhere.logInAs('of another session');
      elsewhere.registration = browser.registration;
      expect((await elsewhere.register()).status).toBe(401);
      expect((await browser.register()).status).toBe(200);
    });

    it('D03 after a navigation needs none, because browsers send none where another site has caused it', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('callback', 'navigate');
      const jar = new Map(browser.jar);
      browser.jar.clear();
      expect((await browser.register()).status).toBe(200);
      expect(jar.size).toBeGreaterThan(0);
      expect((await browser.send('/me')).body.userId).toBe('callback');
      const script = await DbscBrowser.at(app.url);
      await script.logInAs('callback');
      script.jar.clear();
      const challenge = script.registration!.challenge.replace(/script$/, 'navigation');
      script.registration = { ...script.registration!, challenge };
      expect((await script.register()).status).toBe(401);
    });

    it('D03 is refused when the challenge is older than five minutes', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('slow');
      await app.advance('5m');
      await app.advance('1s');
      expect((await browser.register()).status).toBe(401);
      expect((await browser.refresh()).status).toBe(200);
    });

    it('is refused for a session that has ended', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('ended');
      await app.sessions.logOutAll('ended');
      const answer = await browser.register();
      expect(answer.status).toBe(401);
      expect(answer.setCookie).toEqual([]);
    });

    it('D05 is refused for proofs of any other form, without a statement', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('forms');
      const { challenge } = browser.registration!;
      const { keys } = browser;
      const jwk = await publicJwk(keys);
      const good = { typ: 'dbsc+jwt', alg: 'ES256', jwk };
      const [header, payload, signature] = (await registrationOf(challenge, keys)).split('.');
      const proofs = [
        '',
        'a.b',
        `${header}.${payload}.`,
        `${header}.${payload}.${signature}.${signature}`,
        `${header}.${payload}.${signature}=`,
        `${header}.${payload}.${signature}, ${header}.${payload}.${signature}`,
        `${header}.${payload}.${'A'.repeat(86)}`,
        await signProof({ ...good, typ: 'JWT' }, { jti: challenge }, keys),
        await signProof({ ...good, alg: 'none' }, { jti: challenge }, keys),
        await signProof({ ...good, alg: 'HS256' }, { jti: challenge }, keys),
        await signProof({ ...good, crit: ['exp'] }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: undefined }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: { ...jwk, d: 'AAAA' } }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: { kty: 'oct', k: 'AAAA' } }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: { ...jwk, crv: 'P-384' } }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: { ...jwk, x: 'A'.repeat(43) } }, { jti: challenge }, keys),
        await signProof({ ...good, jwk: await publicJwk(await newKeyPair()) }, { jti: challenge }, keys),
        await signProof(good, { jti: `${challenge}.more` }, keys),
        await signProof(good, { jti: challenge.slice(1) }, keys),
        await signProof(good, { jti: [challenge] }, keys),
        await signProof(good, { jti: challenge, pad: 'x'.repeat(2_048) }, keys),
      ];
      const outcomes: unknown[] = [];
      const statements = await statementsDuring(app, async () => {
        for (const proof of proofs) {
          const { status, body } = await browser.register({ headers: { 'secure-session-response': proof } });
          outcomes.push([status, body.errorCode]);
        }
      });
      expect(outcomes).toEqual(proofs.map(() => [401, 'key_proof_invalid']));
      expect(statements).toEqual([]);
      expect((await browser.register()).status).toBe(200);
    });
  });

  describe('the refresh', () => {
    it('B01 needs a proof alone, and writes one statement', async () => {
      const browser = await bound('proves');
      browser.jar.clear();
      await app.advance('9m');
      const start = app.events.length;
      const statements = await statementsDuring(app, async () => {
        const answer = await browser.prove();
        expect(answer.status).toBe(204);
        expect(answer.headers.get('secure-session-challenge')).toMatch(/^"[\w-]{32}";id="[\w-]{128}"$/);
      });
      expect(statements).toEqual(['jwt_session_prove']);
      expect(app.events.slice(start)).toEqual([
        { type: 'session.refreshed', sessionId: expect.any(String), userId: 'proves', case: 'proved' },
      ]);
      await app.advance('5m');
      expect((await browser.send('/me')).body.userId).toBe('proves');
    });

    it('goes on for days, each time with the challenge of the last answer', async () => {
      const browser = await bound('days');
      for (let round = 1; round <= 4; round++) {
        await app.advance('10m');
        browser.forgetCookie();
        expect((await browser.prove()).status).toBe(204);
      }
    });

    it('D04 gets a challenge where the browser has none, or an old one', async () => {
      const browser = await bound('challenge');
      const old = browser.challenge!;
      delete browser.challenge;
      expect((await browser.prove()).status).toBe(403);
      expect(browser.challenge).toBeDefined();
      expect((await browser.prove()).status).toBe(204);
      await app.advance('31m');
      const start = app.events.length;
      expect((await browser.prove({ challenge: old })).status).toBe(403);
      expect((await browser.prove()).status).toBe(204);
      // No alarm: the browser asks for what it needs.
      expect(codesOf(start)).toEqual(['session.refreshed']);
    });

    it('D04 takes the same challenge again and again', async () => {
      const browser = await bound('again');
      const { challenge } = browser;
      for (let round = 1; round <= 3; round++) expect((await browser.prove({ challenge })).status).toBe(204);
    });

    it('D04 takes a proof with claims that a browser adds, such as the audience', async () => {
      const browser = await bound('audience');
      const { challenge, keys, instructions } = browser;
      const proof = await proofOf(challenge!, keys, { aud: `https://shop.test${instructions!.refresh_url}` });
      expect((await browser.prove({ headers: { 'secure-session-response': proof } })).status).toBe(204);
    });

    it('D05 refuses what is forged: another key, session, identifier, or a doubled header', async () => {
      const browser = await bound('forged');
      const stranger = await bound('stranger');
      const id = browser.instructions!.session_identifier;
      const proof = await proofOf(browser.challenge!, browser.keys);
      const forgeries: Record<string, string>[] = [
        { 'secure-session-response': await proofOf(browser.challenge!, stranger.keys) },
        { 'sec-secure-session-id': `"${stranger.instructions!.session_identifier}"`, 'secure-session-response': proof },
        { 'sec-secure-session-id': `"${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}"` },
        { 'sec-secure-session-id': 'x' },
        { 'sec-secure-session-id': `"${id}", "${id}"` },
        { 'secure-session-response': `${proof}, ${proof}` },
        { 'secure-session-response': `${proof}${'A'.repeat(4_000)}` },
      ];
      const statements = await statementsDuring(app, async () => {
        for (const headers of forgeries) {
          const answer = await browser.prove({ headers });
          expect([answer.status, answer.body.errorCode, answer.setCookie]).toEqual([401, 'key_proof_invalid', []]);
        }
      });
      expect(statements).toEqual([]);
      // The challenge of another session is one that does not count.
      expect((await browser.prove({ challenge: stranger.challenge })).status).toBe(403);
      expect((await browser.prove()).status).toBe(204);
    });

    it('does not read a body of a megabyte', async () => {
      const browser = await bound('megabyte');
      const body = 'x'.repeat(1_000_000);
      const headers = { 'content-type': 'text/plain' };
      const answer = await browser.send('/session/key', { method: 'POST', body, headers });
      expect([401, 413]).toContain(answer.status);
      expect((await browser.prove()).status).toBe(204);
    });

    it('D06 is refused when another process has ended the session, and clears no cookie', async () => {
      const browser = await bound('revoked');
      await other.sessions.logOutAll('revoked');
      const answer = await browser.prove();
      expect([answer.status, answer.body.errorCode]).toEqual([401, 'session_revoked']);
      // They may be those of a new login of this browser.
      expect(answer.setCookie).toEqual([]);
    });

    it('is refused after a log-out, and after an invalidation of the refresh tokens', async () => {
      const browser = await bound('logs-out');
      expect((await browser.send('/session/logout', { method: 'POST' })).status).toBe(204);
      expect(browser.jar.has(ACCESS_COOKIE)).toBe(false);
      expect((await browser.prove()).status).toBe(401);
      const second = await bound('invalidated');
      await app.sessions.invalidateTokens('invalidated', 'refresh');
      expect((await second.prove()).status).toBe(401);
    });

    it('works under a secret that has become the former one', async () => {
      const browser = await bound('secrets');
      const proof = await proofOf(browser.challenge!, browser.keys);
      const headers = {
        'sec-secure-session-id': `"${browser.instructions!.session_identifier}"`,
        'secure-session-response': proof,
      };
      const response = await fetch(`${other.url}/session/key`, { method: 'POST', headers });
      expect(response.status).toBe(204);
      // Browsers take no challenge for a name of the session that they do not know.
      const next = response.headers.get('secure-session-challenge');
      expect(next).toMatch(new RegExp(`;id="${browser.instructions!.session_identifier}"$`));
    });
  });

  describe('a stolen jar', () => {
    it('B01 taken after the binding is refused at its first refresh, and the session lives on', async () => {
      const browser = await bound('robbed');
      const thief = browser.stolen();
      expect((await thief.send('/me')).status).toBe(200);
      await app.advance('10m');
      expect((await thief.send('/me')).body.errorCode).toBe('access_token_expired');
      expect((await thief.refresh()).status).toBe(401);
      expect((await browser.prove()).status).toBe(204);
    });

    it('taken before the binding is of no use once the key is in force', async () => {
      const browser = await DbscBrowser.at(app.url);
      await browser.logInAs('robbed-early');
      const thief = browser.stolen();
      await browser.register();
      await browser.send('/me');
      await app.confirmUses();
      const start = app.events.length;
      const answer = await thief.refresh();
      expect([answer.status, answer.body.errorCode]).toEqual([401, 'session_key_required']);
      expect(codesOf(start)).toEqual(['session.refused']);
      expect(thief.jar.size).toBe(0);
      expect((await browser.prove()).status).toBe(204);
    });
  });

  describe('a page that refreshes by itself', () => {
    it('D07 is told how long the cookie lasts, and nothing is written', async () => {
      const browser = await bound('old-page');
      await app.advance('1m');
      const start = app.events.length;
      const statements = await statementsDuring(app, async () => {
        const answer = await browser.refresh();
        expect(answer.status).toBe(200);
        expect(answer.body).toEqual({ expiresIn: expect.any(Number), expiresAt: expect.any(String) });
        expect(answer.body.expiresIn).toBeGreaterThan(500);
        expect(answer.body.expiresIn).toBeLessThanOrEqual(540);
        expect(answer.setCookie).toEqual([]);
      });
      expect(statements).toEqual([]);
      expect(app.events.slice(start)).toEqual([]);
      const foreign = await browser.sendOnly('/session/refresh', {
        method: 'POST',
        headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' },
      });
      expect(foreign.status).toBe(403);
    });

    it('D07 loses an access cookie that is refused, so that the browser proves the key', async () => {
      const browser = await bound('new-claims');
      const { sessionId } = (await browser.send('/me')).body;
      await app.sessions.setClaims(sessionId!, { role: 'admin' });
      expect((await browser.send('/me')).body.errorCode).toBe('access_token_expired');
      expect([browser.jar.has(ACCESS_COOKIE), browser.jar.has(BOUND_COOKIE)]).toEqual([false, false]);
      expect((await browser.prove()).status).toBe(204);
      expect((await browser.send('/me')).body.claims).toEqual({ role: 'admin' });
    });
  });

  it('D08 a browser that has skipped a refresh is told to try again', async () => {
    const browser = await DbscBrowser.at(app.url);
    const headers = { 'secure-session-skipped': 'unreachable;session_identifier="x"' };
    const guarded = await browser.send('/me', { headers });
    expect([guarded.status, guarded.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await browser.send('/session/refresh', { method: 'POST', headers })).status).toBe(503);
    expect((await browser.send('/me')).body.errorCode).toBe('session_missing');
  });

  it('B04 `require` gives a browser without a key its first access token alone', async () => {
    const strict = await apps.start({ session: { binding: { key: 'require' } } });
    const without = await DbscBrowser.at(strict.url);
    await without.logInAs('without');
    expect((await without.send('/me')).status).toBe(200);
    expect((await without.refresh()).body.errorCode).toBe('session_key_required');
    expect(without.jar.size).toBe(0);
    const browser = await DbscBrowser.at(strict.url);
    await browser.bind('with', strict.confirmUses);
    expect((await browser.prove()).status).toBe(204);
  });

  it('B02 F35: a copy of the access cookie begins no impersonation, which would renew it without the key', async () => {
    const browser = await bound('support');
    const [session] = await app.sessions.list('support');
    const actor = { id: session!.id, userId: 'support' };
    const copy = { ...actor, boundBy: 'dbsc' as const };
    await expect(app.sessions.impersonate(copy, 'ada')).rejects.toMatchObject({ errorCode: 'invalid_request' });
    // Whatever the application says of the session.
    await expect(app.sessions.impersonate(actor, 'ada')).rejects.toMatchObject({ errorCode: 'session_revoked' });
    expect((await browser.prove()).status).toBe(204);
  });

  it('F35: an impersonation that is older than the key gives no tokens of the bound session', async () => {
    const browser = await DbscBrowser.at(app.url);
    await browser.logInAs('early');
    const [session] = await app.sessions.list('early');
    const { accessToken } = await app.sessions.impersonate({ id: session!.id, userId: 'early' }, 'ada');
    await browser.register();
    const headers = { authorization: `Bearer ${accessToken}` };
    const back = await browser.sendOnly('/back', { method: 'POST', headers });
    expect([back.status, back.body.errorCode, back.body.accessToken]).toEqual([401, 'session_revoked', undefined]);
  });

  it('D10 `off` offers and registers nothing, and what was bound goes on', async () => {
    const browser = await bound('switched-off');
    const late = await DbscBrowser.at(app.url);
    await late.logInAs('late');
    const off = await apps.start();
    const client = await DbscBrowser.at(off.url);
    const login = await client.logInAs('off');
    expect(login.headers.get('secure-session-registration')).toBeNull();
    client.registration = late.registration;
    late.jar.forEach((value, name) => client.jar.set(name, value));
    expect((await client.register()).status).toBe(401);
    const headers = {
      'sec-secure-session-id': browser.instructions!.session_identifier,
      'secure-session-response': await proofOf(browser.challenge!, browser.keys),
    };
    expect((await client.send('/session/key', { method: 'POST', headers })).status).toBe(204);
  });

  it('D09 no guard, prefix or throttler of the application changes the answers', async () => {
    const busy = { canActivate: () => Promise.reject(new HttpException('Too many requests', 429)) };
    const prefixed = await apps.start({
      session: { binding: { key: 'prefer' } },
      configure: nest => void nest.setGlobalPrefix('api').useGlobalGuards(busy),
    });
    const client = await DbscBrowser.at(prefixed.url);
    expect((await client.send('/api/session/refresh', { method: 'POST' })).status).toBe(429);
    expect((await client.send('/api/session/key', { method: 'POST' })).status).toBe(401);
  });

  it('names the path that browsers see behind a proxy that strips a prefix', async () => {
    const behind = await apps.start({
      session: { binding: { key: 'prefer' }, cookies: { refreshPath: '/shop/session' } },
    });
    const browser = await DbscBrowser.at(behind.url);
    await browser.logInAs('shop');
    expect(browser.registration!.path).toBe('/shop/session/key');
    browser.registration = { ...browser.registration!, path: '/session/key' };
    expect((await browser.register()).body.refresh_url).toBe('/shop/session/key');
  });

  it('D08 answers 503 while the database is away, and the session lives on', async () => {
    const proxy = await TcpProxy.to(app.database.url);
    const far = await apps.start({ session: { binding: { key: 'prefer' } }, typeorm: { url: proxy.url } });
    const browser = await DbscBrowser.at(far.url);
    await browser.bind('outage', far.confirmUses);
    await proxy.refuse();
    const answer = await browser.prove();
    expect([answer.status, answer.headers.get('retry-after'), answer.setCookie]).toEqual([503, '1', []]);
    const login = await DbscBrowser.at(app.url);
    await login.logInAs('outage');
    const headers = { 'secure-session-response': await registrationOf(login.registration!.challenge, login.keys) };
    const cookie = [...login.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const registration = await browser.sendOnly('/session/key', { method: 'POST', headers: { ...headers, cookie } });
    expect(registration.status).toBe(503);
    await proxy.restore();
    expect((await browser.prove()).status).toBe(204);
    await apps.stop();
    await proxy.close();
  });
});
