import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { APP_GUARD } from '@nestjs/core';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { SessionGuard } from 'nestjs-jwt-session';
import { MAX_PAGE_FACTS, type RevocationPage } from '../../lib/revocation/revocation-page.js';
import { Revocations } from '../../lib/revocation/revocations.js';
import { refusalOf } from '../support/application.js';
import { send } from '../support/client.js';
import { partsOf } from '../support/forged-token.js';
import { feedOf, untilListening } from '../support/revocation.js';
import { SERVICE_TOKEN, ServiceGuard } from '../support/revocations-server.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { until } from '../support/until.js';

const NONCE = 'a-nonce-of-this-test';
const HEADERS = { authorization: `Bearer ${SERVICE_TOKEN}`, 'session-nonce': NONCE };

describe.each(PLATFORMS)('F34: GET /session/revocations on %s', platform => {
  let apps: TestApps;
  let app: TestApp;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    app = await start();
    await untilListening(app);
  });
  afterAll(() => apps?.close());

  /** Every route of it needs a session, but those that say otherwise. */
  function start(): Promise<TestApp> {
    return apps.start({
      session: { revocations: { guard: ServiceGuard } },
      providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
    });
  }

  const ask = (after = '', headers: Record<string, string> = {}, { url } = app) =>
    send(`${url}/session/revocations?after=${after}`, { headers: { ...HEADERS, ...headers } });

  const pageOf = async (after?: string, of = app) => (await ask(after, {}, of)).body as unknown as RevocationPage;

  it('is not there by default, and refuses whom the guard refuses', async () => {
    const { url } = await apps.start();
    expect((await ask('', {}, { url } as TestApp)).status).toBe(404);
    expect((await ask('', { authorization: 'Bearer another' })).status).toBe(403);
    expect((await ask()).status).toBe(200);
  });

  it('tells from memory what was revoked, each fact once', async () => {
    const { cursor: before } = await pageOf();
    const [ended, changed] = [await app.sessions.logIn('ada'), await app.sessions.logIn('grace')];
    await app.sessions.logOut(ended.session.id);
    await app.sessions.invalidateTokens('grace', 'access');
    await app.sessions.setClaims(changed.session.id, { role: 'admin' });
    const page = await pageOf(before);
    const { id } = changed.session;
    expect(page).toMatchObject({
      more: false,
      sessions: [{ id: ended.session.id, reason: 'logout' }],
      users: [{ id: 'grace', version: expect.any(Number) }],
      claims: [{ id, version: 1 }],
    });
    await feedOf(app).poll();
    const next = await pageOf(page.cursor);
    expect([next.cursor, next.sessions, next.users, next.claims]).toEqual([page.cursor, [], [], []]);
    expect(await statementsDuring(app, () => ask())).toEqual([]);
  });

  it('names the distrusted keys', async () => {
    const { header } = partsOf((await app.sessions.logIn('ada')).accessToken!);
    await app.sessions.rotateKeys({ distrust: true });
    expect((await pageOf()).keys).toContain(header.kid);
  });

  it('signs the page together with the nonce, its age, and the lifetime of access tokens', async () => {
    await feedOf(app).poll();
    const { headers } = await ask();
    const { header, payload } = partsOf(headers.get('session-proof')!);
    expect(header).toMatchObject({ alg: 'ES256', typ: 'session-revocations+jwt' });
    expect(payload).toMatchObject({ nonce: NONCE, lifetime: 600_000 });
    expect(headers.get('etag')).toBe(`W/"${payload.digest as string}"`);
    await app.clock.advance('5s');
    const later = partsOf((await ask()).headers.get('session-proof')!).payload;
    expect(later.staleness).toBeGreaterThanOrEqual(5_000);
  });

  it('a service in any language can check it by the JWK Set', async () => {
    const response = await fetch(`${app.url}/session/revocations`, { headers: HEADERS });
    const text = await response.text();
    const jwks = createRemoteJWKSet(new URL(`${app.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(response.headers.get('session-proof')!, jwks, {
      typ: 'session-revocations+jwt',
      algorithms: ['ES256'],
    });
    const digest = createHash('sha256').update(text).digest('base64url');
    expect(payload).toMatchObject({ nonce: NONCE, digest });
  });

  it('answers an unchanged page without a body, and with a proof', async () => {
    const { headers, body } = await ask();
    const after = body.cursor as string;
    const tag = headers.get('etag')!;
    expect((await ask('', { 'if-none-match': `"other", ${tag.slice(2)}` })).status).toBe(304);
    const unchanged = await ask('', { 'if-none-match': tag });
    expect([unchanged.status, unchanged.headers.get('etag')]).toEqual([304, tag]);
    const { digest, nonce } = partsOf(unchanged.headers.get('session-proof')!).payload;
    expect([`W/"${digest as string}"`, nonce]).toEqual([tag, NONCE]);
    expect((await ask(after, { 'if-none-match': tag })).status).toBe(200);
    await app.sessions.logOut((await app.sessions.logIn('ada')).session.id);
    expect((await ask('', { 'if-none-match': tag })).status).toBe(200);
  });

  it('a log-out of another process is a hint until the next poll, and a fact then', async () => {
    const other = await start();
    const { cursor } = await pageOf();
    const { session } = await other.sessions.logIn('ada');
    await other.sessions.logOut(session.id);
    const ended = [{ id: session.id, reason: 'logout' }];
    await until(async () => (await pageOf(cursor)).hints.sessions.length > 0);
    expect(await pageOf(cursor)).toMatchObject({ sessions: [], hints: { sessions: ended } });
    await feedOf(app).poll();
    expect(await pageOf(cursor)).toMatchObject({ sessions: ended, hints: { sessions: [] } });
  });

  it('comes in pages, which are compressed where the client accepts it', async () => {
    const { cursor: before } = await pageOf();
    const many = Array.from({ length: 2 * MAX_PAGE_FACTS + 5 }, () => ({ id: randomUUID(), reason: 'logout' }));
    app.app.get(Revocations, { strict: false }).mergeLocal({ sessions: many });
    const found = [];
    let page = await pageOf(before);
    for (let after = before; page.more; page = await pageOf(after)) {
      expect(page.sessions).toHaveLength(MAX_PAGE_FACTS);
      found.push(...page.sessions);
      after = page.cursor;
    }
    expect([...found, ...page.sessions]).toEqual(many);
    const raw = (encoding: string) => ask(before, { 'accept-encoding': encoding });
    expect((await raw('gzip;q=0, br')).headers.get('content-encoding')).toBeNull();
    expect((await raw('identity')).headers.get('content-encoding')).toBeNull();
    const packed = await raw('br;q=1, gzip;q=0.5');
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.headers.get('vary')).toContain('Accept-Encoding');
    expect((packed.body as unknown as RevocationPage).sessions).toHaveLength(MAX_PAGE_FACTS);
  });

  it('a cursor of another process, or of this one before it started again, reads from the beginning', async () => {
    const { sessions, cursor } = await pageOf();
    const again = await start();
    const [ids, others] = [sessions, (await pageOf(cursor, again)).sessions].map(ended => ended.map(({ id }) => id));
    expect(others!.length).toBeGreaterThan(0);
    expect(ids).toEqual(expect.arrayContaining(others!));
    const own = await pageOf(cursor, again);
    expect((await pageOf(`${cursor},${own.cursor}`, again)).sessions).toEqual([]);
  });

  it.each([
    ['no nonce', '', { 'session-nonce': '' }],
    ['a short nonce', '', { 'session-nonce': 'short' }],
    ['a nonce with a space', '', { 'session-nonce': 'sixteen letters !' }],
    ['a cursor of another form', 'x', {}],
    ['too many cursors', Array.from({ length: 65 }, () => 'AAAAAAAAAAAAAAAA.1').join(), {}],
  ])('refuses %s', async (_what, after, headers) => {
    expect(await ask(after, headers)).toMatchObject({ status: 400, body: { errorCode: 'invalid_request' } });
  });

  it('lies under the path of the controller, or at its own', async () => {
    const session = { controller: { path: 'auth' }, revocations: { guard: ServiceGuard } };
    const { url } = await apps.start({ session });
    expect((await send(`${url}/auth/revocations`, { headers: HEADERS })).status).toBe(200);
    const own = await apps.start({ session: { revocations: { guard: ServiceGuard, path: 'ended' } } });
    expect((await send(`${own.url}/ended`, { headers: HEADERS })).status).toBe(200);
  });

  it('is refused at start in a mode without knowledge in memory', async () => {
    const revocations = { guard: ServiceGuard };
    for (const mode of ['strict', 'stateless'] as const) {
      const started = apps.start({ session: { revocations, revocation: { mode } } });
      expect(await refusalOf(started)).toContain('option "revocations"');
    }
    const wrong = { guard: 'x' } as unknown as typeof revocations;
    expect(await refusalOf((async () => apps.start({ session: { revocations: wrong } }))())).toContain('"revocations"');
  });
});
