import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  SessionVerifierHealthIndicator,
  SessionVerifierModule,
  type SessionVerifierOptions,
} from 'nestjs-jwt-session/verifier';
import { digestOf, MAX_PAGE_FACTS } from '../../lib/revocation/revocation-page.js';
import { Revocations } from '../../lib/revocation/revocations.js';
import { TestClock } from '../../lib/testing/index.js';
import { RemoteRevocations } from '../../lib/verifier/remote-revocations.js';
import { send } from '../support/client.js';
import { es256, jws, ownKey, partsOf } from '../support/forged-token.js';
import { feedOf, me } from '../support/revocation.js';
import { type Reply, RevocationsServer, SERVICE_TOKEN, ServiceGuard } from '../support/revocations-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { startVerifier, type VerifierApp } from '../support/verifier-app.js';

const SERVED = { session: { revocations: { guard: ServiceGuard } } };

describe.each(PLATFORMS)('F34: a service that learns of revocations without the database, on %s', platform => {
  let apps: TestApps;
  let issuing: TestApp;
  let server: RevocationsServer;
  let service: VerifierApp;
  const started: VerifierApp[] = [];
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    issuing = await apps.start(SERVED);
    server = await RevocationsServer.inFrontOf(issuing);
    service = await startService();
    started.pop();
  });
  beforeEach(async () => {
    server.answer = undefined;
    await feedOf(issuing).poll();
    await poll();
  });
  afterEach(() => Promise.all(started.splice(0).map(({ app }) => app.close())));
  afterAll(async () => {
    await service?.app.close();
    await server?.close();
    await apps?.close();
  });

  async function startService(
    revocations: SessionVerifierOptions['revocations'] = {},
    { url }: { readonly url: string } = server,
    clock: TestClock = issuing.clock,
  ): Promise<VerifierApp> {
    const jwksUri = `${issuing.url}/.well-known/jwks.json`;
    const module = SessionVerifierModule.forRoot({
      jwksUri,
      revocations: { url, token: SERVICE_TOKEN, ...revocations },
    });
    const verifier = await startVerifier(platform, module, clock);
    started.push(verifier);
    return verifier;
  }

  const poll = ({ app } = service) => app.get(RemoteRevocations).poll();

  const healthOf = ({ app }: VerifierApp) => app.get(SessionVerifierHealthIndicator).isHealthy('sessions').sessions;

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken } = await issuing.sessions.logIn(userId);
    return { id: session.id, token: accessToken!, refreshToken: refreshToken! };
  }

  it.each<[string, string, (session: { id: string; refreshToken: string }) => Promise<unknown>]>([
    ['a session that ended', 'session_revoked', ({ id }) => issuing.sessions.logOut(id)],
    ['tokens of a user', 'access_token_invalid', () => issuing.sessions.invalidateTokens('ada', 'access')],
    ['claims that were changed', 'access_token_expired', ({ id }) => issuing.sessions.setClaims(id, { a: 1 })],
    [
      'a distrusted key',
      'access_token_invalid',
      async () => {
        await issuing.sessions.rotateKeys({ distrust: true });
        // The answer is signed by a new key. Unknown keys are looked up at most once a second.
        await sleep(1_100);
      },
    ],
    [
      'a theft',
      'token_theft_detected',
      async ({ refreshToken }) => {
        for (let round = 0, token = refreshToken; round < 3; round++) {
          token = (await issuing.sessions.refresh({ refreshToken: token })).refreshToken!;
          await apps.clock.advance('31s');
        }
        await expect(issuing.sessions.refresh({ refreshToken })).rejects.toThrow('two parties');
      },
    ],
  ])('refuses by the same rules: %s', async (_what, answer, revoke) => {
    const session = await logIn();
    expect(await me(service, session.token)).toBe('accepted');
    await revoke(session);
    await feedOf(issuing).poll();
    await poll();
    expect(await me(service, session.token)).toBe(answer);
    expect(await me(issuing, session.token)).toBe(answer);
    expect(await me(service, (await logIn()).token)).toBe('accepted');
  });

  it('F35: an impersonation counts there only while the session and the tokens of its actor do', async () => {
    for (const [code, end] of [
      ['access_token_invalid', () => issuing.sessions.invalidateTokens('support', 'access')],
      ['session_revoked', (id: string) => issuing.sessions.logOut(id)],
    ] as const) {
      const actor = await issuing.sessions.logIn('support');
      const { accessToken } = await issuing.sessions.impersonate(actor.session, 'grace');
      expect(await me(service, accessToken!)).toBe('accepted');
      await end(actor.session.id);
      await poll();
      expect(await me(service, accessToken!)).toBe(code);
    }
  });

  it('asks nobody about a request', async () => {
    const { token } = await logIn();
    await me(service, token);
    const asked = server.replies.length;
    for (let count = 0; count < 20; count++) expect(await me(service, token)).toBe('accepted');
    expect(server.replies.length - asked).toBeLessThan(20);
  });

  it('an ended session is told apart from an expired token, as the issuing application does', async () => {
    const { id, token } = await logIn();
    await issuing.sessions.logOut(id);
    await poll();
    await apps.clock.advance('10m');
    expect(await me(service, token)).toBe('session_revoked');
    expect(await me(issuing, token)).toBe('session_revoked');
  });

  it('reads a page that did not change without its body, and each fact once', async () => {
    await poll();
    await poll();
    expect([server.last.status, server.last.body.length]).toEqual([304, 0]);
    const { id } = await logIn();
    await issuing.sessions.logOut(id);
    await poll();
    expect(server.last.body.toString()).toContain(id);
    await poll();
    expect([server.last.status, server.last.body.toString()]).toEqual([200, expect.not.stringContaining(id)]);
  });

  it('sends no token to where a redirect points', async () => {
    const elsewhere = await RevocationsServer.inFrontOf(issuing);
    server.answer = async () => ({ status: 302, headers: { location: elsewhere.url }, body: Buffer.alloc(0) });
    await poll();
    expect(elsewhere.paths).toEqual([]);
    await elsewhere.close();
  });

  const changed = (change: (reply: Reply) => Partial<Reply>) => async (forward: () => Promise<Reply>) => {
    const reply = await forward();
    const { 'content-length': _length, ...headers } = reply.headers;
    return { ...reply, headers, ...change({ ...reply, headers }) };
  };
  /** A page in which nothing is revoked, with the proof that the given function makes of the genuine one. */
  const forged = (prove: (proof: string) => string) =>
    changed(({ headers }) => {
      const body = Buffer.from('{"cursor":"AAAAAAAAAAAAAAAA.1","more":false,"sessions":[],"users":[],"claims":[]}');
      return { body, headers: { ...headers, 'session-proof': prove(headers['session-proof'] as string) } };
    });
  const signedBy = (key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, differences: object = {}) =>
    forged(proof => {
      const { header, payload } = partsOf(proof);
      return jws({ ...header, ...differences }, payload, es256(key));
    });
  const OLD = 'an old one';
  let oldReply: Reply | undefined;
  it.each<[string, RevocationsServer['answer']]>([
    ['lost', async () => undefined],
    ['no page', changed(() => ({ body: Buffer.from('<html>login</html>') }))],
    [
      'changed',
      changed(({ body }) => ({ body: Buffer.from(body.toString().replace('"more":false', '"more":true ')) })),
    ],
    ['cut off', changed(({ body }) => ({ body: body.subarray(0, body.length - 1) }))],
    [
      'shorter than it says',
      changed(({ body, headers }) => ({ headers: { ...headers, 'content-length': String(body.length + 1) } })),
    ],
    ['without a proof', changed(({ headers: { 'session-proof': _proof, ...headers } }) => ({ headers }))],
    ['signed by a foreign key', signedBy()],
    ['signed by a foreign key of another name', signedBy(undefined, { kid: 'another' })],
    ['a refusal', async () => ({ status: 403, headers: {}, body: Buffer.alloc(0) })],
    ['unchanged, without a proof', async () => ({ status: 304, headers: {}, body: Buffer.alloc(0) })],
    [OLD, async forward => (oldReply ??= await forward())],
  ])('an answer that is %s changes nothing, and after maxStaleness requests are refused', async (what, answer) => {
    const { id, token } = await logIn();
    const fresh = await startService();
    expect(await me(fresh, token)).toBe('accepted');
    server.answer = answer;
    // The old answer is kept before the session ends.
    if (what === OLD) await poll(fresh);
    await issuing.sessions.logOut(id);
    await poll(fresh);
    expect(await me(fresh, token)).toBe('accepted');
    await issuing.advance('31s');
    await poll(fresh);
    expect(await me(fresh, token)).toBe('session_store_unavailable');
    server.answer = undefined;
    await poll(fresh);
    expect(await me(fresh, token)).toBe('session_revoked');
  });

  /** A genuine answer with another page, signed by the issuing application's own key. */
  const resigned = (change: (page: Record<string, unknown>) => object | string, differences: object = {}) =>
    changed(({ body, headers }) => {
      const page = JSON.parse(body.toString()) as Record<string, unknown>;
      const other = change(page);
      const text = typeof other === 'string' ? other : JSON.stringify({ ...page, ...other });
      const { privateKey, kid } = ownKey(issuing);
      const { payload } = partsOf(headers['session-proof'] as string);
      const header = { alg: 'ES256', typ: 'session-revocations+jwt', kid, ...differences };
      const proof = jws(header, { ...payload, digest: digestOf(text) }, es256(privateKey));
      return { body: Buffer.from(text), headers: { ...headers, 'session-proof': proof } };
    });

  it.each<[string, (page: Record<string, unknown>, ended: object) => object | string, object?]>([
    ['a session without an id', (_, ended) => ({ sessions: [ended, { id: 'x', reason: 'logout' }] })],
    ['a long reason', (_, ended) => ({ sessions: [ended, { ...ended, reason: 'x'.repeat(65) }] })],
    ['a version that is text', (_, ended) => ({ sessions: [ended], users: [{ id: 'ada', version: '7' }] })],
    ['claims of no session', (_, ended) => ({ sessions: [ended], claims: [{ id: 'ada', version: 7 }] })],
    ['a key that is a number', (_, ended) => ({ sessions: [ended], keys: [7] })],
    ['no hints', (_, ended) => ({ sessions: [ended], hints: undefined })],
    ['another cursor', (_, ended) => ({ sessions: [ended], cursor: 'x' })],
    ['no end', (_, ended) => ({ sessions: [ended], more: 'no' })],
    ['too many sessions', (_, ended) => ({ sessions: Array.from({ length: 2_001 }, () => ended) })],
    ['too many bytes', (page, ended) => JSON.stringify({ ...page, sessions: [ended] }) + ' '.repeat(16_000_000)],
    ['the proof of an access token', (_, ended) => ({ sessions: [ended] }), { typ: 'at+jwt' }],
  ])('a page with a mistake is refused as a whole, although it is signed: %s', async (_what, change, header = {}) => {
    const { id, token } = await logIn();
    const fresh = await startService();
    server.answer = resigned(page => change(page, { id, reason: 'logout' }), header);
    await issuing.sessions.logOut((await logIn()).id);
    await poll(fresh);
    expect(await me(fresh, token)).toBe('accepted');
  });

  it('members of a later version are left alone', async () => {
    const { id, token } = await logIn();
    server.answer = resigned(() => ({ sessions: [{ id, reason: 'logout', by: 'ada' }], later: 'unknown' }));
    await issuing.sessions.logOut((await logIn()).id);
    await poll();
    expect(await me(service, token)).toBe('session_revoked');
  });

  it('an access token is no proof', async () => {
    const { token } = await logIn();
    const fresh = await startService();
    server.answer = changed(({ headers }) => ({ headers: { ...headers, 'session-proof': token } }));
    await issuing.advance('31s');
    await poll(fresh);
    expect(await me(fresh, token)).toBe('session_store_unavailable');
  });

  it('pages that have no end are given up', async () => {
    const fresh = await startService();
    const { token } = await logIn();
    server.answer = resigned(() => ({ more: true }));
    await issuing.advance('31s');
    const asked = server.paths.length;
    await poll(fresh);
    expect(server.paths.length - asked).toBeLessThan(10);
    expect(await me(fresh, token)).toBe('session_store_unavailable');
  });

  it('a hint counts until the next page, unless that one repeats it', async () => {
    const { id, token } = await logIn();
    const hinted = resigned(() => ({ hints: { sessions: [{ id, reason: 'logout' }], users: [], claims: [] } }));
    const fresh = await startService();
    for (let round = 0; round < 2; round++) {
      await issuing.sessions.logOut((await logIn()).id);
      server.answer = hinted;
      await poll(fresh);
      expect(await me(fresh, token)).toBe('session_revoked');
    }
    server.answer = undefined;
    await issuing.sessions.logOut((await logIn()).id);
    await poll(fresh);
    expect(await me(fresh, token)).toBe('accepted');
  });

  it('a distrusted key is refused at once although the JWK Set still has it, and proves nothing more', async () => {
    const { id, token } = await logIn();
    const fresh = await startService();
    server.answer = resigned(() => ({ keys: [ownKey(issuing).kid] }));
    await issuing.sessions.logOut((await logIn()).id);
    await poll(fresh);
    expect(await me(fresh, token)).toBe('access_token_invalid');
    server.answer = undefined;
    await issuing.sessions.logOut(id);
    await poll(fresh);
    expect(await me(fresh, token)).toBe('access_token_invalid');
  });

  it('onStale: accept lets in whom it does not know to be revoked', async () => {
    const accepting = await startService({ onStale: 'accept' });
    const [ended, live] = [await logIn(), await logIn()];
    await issuing.sessions.logOut(ended.id);
    await poll(accepting);
    server.answer = async () => undefined;
    await issuing.advance('31s');
    await poll(accepting);
    await poll();
    expect(await me(accepting, live.token)).toBe('accepted');
    expect(await me(accepting, ended.token)).toBe('session_revoked');
    expect(healthOf(accepting)).toMatchObject({ status: 'up' });
    const refused = await send(`${service.url}/me`, { headers: { authorization: `Bearer ${live.token}` } });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('starts before the issuing application answers, with 503 until it does', async () => {
    const { token } = await logIn();
    server.answer = async () => undefined;
    const early = await startService();
    expect(await me(early, token)).toBe('session_store_unavailable');
    expect(healthOf(early)).toEqual({ status: 'down' });
    server.answer = undefined;
    await poll(early);
    expect(await me(early, token)).toBe('accepted');
    expect(healthOf(early)).toEqual({ status: 'up', staleness: expect.any(Number) });
    await apps.clock.advance('31s');
    expect(healthOf(early)).toMatchObject({ status: 'down' });
  });

  it('a late answer is as old as its request', async () => {
    const { token } = await logIn();
    server.answer = async forward => {
      server.answer = async () => undefined;
      const reply = await forward();
      await apps.clock.advance('31s');
      return reply;
    };
    await poll();
    expect(await me(service, token)).toBe('session_store_unavailable');
  });

  it('an issuing process that lost its database is no longer relied on, unless another one answers', async () => {
    const proxy = await TcpProxy.to(issuing.database.url);
    const alone = await apps.start({ ...SERVED, typeorm: { url: proxy.url } });
    const behind = await RevocationsServer.inFrontOf(alone);
    const fresh = await startService({}, behind);
    const { token } = await logIn();
    expect(await me(fresh, token)).toBe('accepted');
    await proxy.refuse();
    await apps.clock.advance('31s');
    await feedOf(issuing).poll();
    await poll(fresh);
    expect([behind.last.status, await me(fresh, token)]).toEqual([200, 'session_store_unavailable']);
    behind.targets.unshift(issuing.url);
    await poll(fresh);
    await poll(fresh);
    expect(behind.targets).toEqual([issuing.url, alone.url]);
    expect(await me(fresh, token)).toBe('accepted');
    await proxy.restore();
    await behind.close();
    await alone.app.close();
    await proxy.close();
  });

  it('either side starts again, and what was revoked stays revoked', async () => {
    const [ended, later] = [await logIn(), await logIn()];
    await issuing.sessions.logOut(ended.id);
    await poll();
    const again = await apps.start(SERVED);
    server.targets.splice(0, 1, again.url);
    await again.sessions.logOut(later.id);
    await poll();
    expect(await me(service, ended.token)).toBe('session_revoked');
    expect(await me(service, later.token)).toBe('session_revoked');
    const fresh = await startService();
    expect(await me(fresh, ended.token)).toBe('session_revoked');
    expect(await me(fresh, later.token)).toBe('session_revoked');
    server.targets.splice(0, 1, issuing.url);
  });

  it('behind a load balancer each process sends its facts once', async () => {
    const other = await apps.start(SERVED);
    const balancer = await RevocationsServer.inFrontOf(issuing, other);
    const fresh = await startService({}, balancer);
    await poll(fresh);
    const known = balancer.replies.length;
    const [here, there] = [await logIn(), await logIn()];
    await issuing.sessions.logOut(here.id);
    await other.sessions.logOut(there.id);
    for (let turn = 0; turn < 6; turn++) await poll(fresh);
    expect(await me(fresh, here.token)).toBe('session_revoked');
    expect(await me(fresh, there.token)).toBe('session_revoked');
    const sent = balancer.replies.slice(known).flatMap(({ status, body }) => {
      if (status !== 200) return [];
      const { sessions } = JSON.parse(body.toString()) as { sessions: { id: string }[] };
      return sessions.map(({ id }) => id);
    });
    expect(sent.filter(id => id === here.id).length).toBeLessThanOrEqual(2);
    expect(balancer.paths.at(-1)!.split('%2C')).toHaveLength(2);
    await balancer.close();
  });

  it('with a clock that is minutes slow nothing is relied on: tokens would outlive their revocation', async () => {
    const [ended, live] = [await logIn(), await logIn()];
    await issuing.sessions.logOut(ended.id);
    await issuing.advance('3m');
    const slow = new TestClock();
    slow.advance(`${issuing.clock.now() - Date.now()}ms`);
    slow.advance('-2m');
    const fresh = await startService({}, server, slow);
    expect(await me(fresh, live.token)).toBe('session_store_unavailable');
    slow.advance('2m');
    await poll(fresh);
    expect(await me(fresh, live.token)).toBe('accepted');
    expect(await me(fresh, ended.token)).toBe('session_revoked');
  });

  it('works with a shared secret as well', async () => {
    const sharedSecret = 'a secret that applications share, of 32 bytes or more';
    const keys = { signingKey: sharedSecret };
    const sharing = await apps.start({ session: { ...SERVED.session, accessToken: { algorithm: 'HS256' }, keys } });
    const revocations = { url: `${sharing.url}/session/revocations`, token: SERVICE_TOKEN };
    const fresh = await startVerifier(
      platform,
      SessionVerifierModule.forRoot({ sharedSecret, revocations }),
      apps.clock,
    );
    started.push(fresh);
    const { session, accessToken } = await sharing.sessions.logIn('ada');
    expect(await me(fresh, accessToken!)).toBe('accepted');
    await sharing.sessions.logOut(session.id);
    await poll(fresh);
    expect(await me(fresh, accessToken!)).toBe('session_revoked');
  });

  it('a token that is older than the present lifetime has expired: its revocation may be forgotten', async () => {
    const { token } = await logIn();
    const shorter = await apps.start({ session: { ...SERVED.session, accessToken: { lifetime: '2m' } } });
    const behind = await RevocationsServer.inFrontOf(shorter);
    const fresh = await startService({}, behind);
    expect(await me(fresh, token)).toBe('accepted');
    await shorter.advance('2m');
    await poll(fresh);
    expect(await me(fresh, token)).toBe('access_token_expired');
    await behind.close();
  });

  it('reads all pages at once', async () => {
    const { id, token } = await logIn();
    const others = Array.from({ length: 2 * MAX_PAGE_FACTS }, () => ({ id: randomUUID(), reason: 'logout' }));
    const revocations = issuing.app.get(Revocations, { strict: false });
    revocations.mergeLocal({ sessions: [...others, { id, reason: 'logout' }] });
    await poll();
    expect(await me(service, token)).toBe('session_revoked');
  });
});
