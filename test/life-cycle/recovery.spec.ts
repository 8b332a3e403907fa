import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionTokens } from 'nestjs-jwt-session/client';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { Revocations } from '../../lib/revocation/revocations.js';
import { encodeRefreshToken, openRefreshToken } from '../../lib/rules/refresh-token.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { BearerClient } from '../support/bearer-client.js';
import { CookieClient, send } from '../support/client.js';
import { PLATFORMS, SECRET, startTestApp, type TestApp } from '../support/test-app.js';

const POST = { method: 'POST' };
const KEYS = deriveServerKeys(SECRET);
const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

describe.each(PLATFORMS)('a database that has lost commits, on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { transport: 'both', keys: { rotateEvery: '2d' } } });
  });
  afterAll(() => test?.close());
  afterEach(() => test.database.query('DROP TABLE IF EXISTS backup'));

  const backUp = () => test.database.query('CREATE TABLE backup AS SELECT * FROM jwt_session');
  const restore = () => test.database.query('DELETE FROM jwt_session; INSERT INTO jwt_session SELECT * FROM backup');
  const generationOf = async (sessionId: string) =>
    (
      await test.database.query<{ generation: number }>('SELECT generation FROM jwt_session WHERE id = $1', [sessionId])
    )[0]!.generation;
  const eventsOf = (type: string) => test.events.filter(event => event.type === type);

  /** Rotates, and uses the access token. */
  async function rotate(client: CookieClient | BearerClient, times = 1): Promise<void> {
    for (let time = 0; time < times; time++) {
      await test.advance('31s');
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(await client.send('/me')).toMatchObject({ status: 200 });
      await test.confirmUses();
    }
  }

  async function sessionOf(client: CookieClient | BearerClient): Promise<string> {
    return (await client.send('/me')).body.sessionId!;
  }

  const refreshWith = (client: BearerClient, accessToken: unknown = client.accessToken) =>
    send(`${test.url}/session/refresh`, { ...POST, body: { refreshToken: client.refreshToken, accessToken } });

  /** A bearer client that has refreshed so often since the backup that is restored now. */
  async function robbed(times = 1, userId = 'ada') {
    test.events.length = 0;
    const client = new BearerClient(test.url);
    await client.logIn(userId);
    const id = await sessionOf(client);
    await backUp();
    await rotate(client, times);
    return { client, id };
  }

  it.each([1, 2, 5])('R09: cookies whose last %i generations are lost go on', async lost => {
    test.events.length = 0;
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const id = await sessionOf(client);
    await backUp();
    await rotate(client, lost);
    await restore();
    await test.advance('11m');
    expect(await client.send('/me')).toMatchObject(refused('access_token_expired'));
    expect(await client.refresh()).toMatchObject({ status: 200 });
    expect(await generationOf(id)).toBe(lost);
    expect(eventsOf('session.recovered')).toEqual([{ type: 'session.recovered', sessionId: id, userId: 'ada' }]);
    expect(eventsOf('session.refreshed').at(-1)).toMatchObject({ case: 'recovered' });
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    await rotate(client, 2);
    expect(eventsOf('session.theft')).toEqual([]);
  });

  it('R09: so do tokens in the body, in Authorization and in a call of the service', async () => {
    const ways: ((client: BearerClient) => Promise<unknown>)[] = [
      async client => expect(await refreshWith(client)).toMatchObject({ status: 200 }),
      async client => {
        const headers = { authorization: `Bearer ${client.accessToken}` };
        const body = { refreshToken: client.refreshToken };
        expect(await send(`${test.url}/session/refresh`, { ...POST, headers, body })).toMatchObject({ status: 200 });
      },
      ({ refreshToken, accessToken }) => test.sessions.refresh({ refreshToken, accessToken }),
    ];
    for (const way of ways) {
      const { client, id } = await robbed(2);
      await restore();
      await way(client);
      expect(await generationOf(id)).toBe(2);
      await test.database.query('DROP TABLE backup');
    }
  });

  it('R09: so does the client, without a login', async () => {
    test.events.length = 0;
    let kept: SessionTokens | undefined;
    const reasons: string[] = [];
    const session = createSessionFetch({
      baseUrl: test.url,
      storage: { load: () => kept, save: tokens => void (kept = tokens), clear: () => void (kept = undefined) },
      onSessionEnd: ({ reason }) => reasons.push(reason),
    });
    const body = JSON.stringify({ userId: 'ada' });
    const headers = { 'content-type': 'application/json' };
    await session.saveTokens(await (await session('/login', { ...POST, body, headers })).json());
    await backUp();
    for (let time = 0; time < 3; time++) {
      await test.advance('31s');
      expect(await session.refresh()).toBe(true);
    }
    await restore();
    await test.advance('11m');
    expect((await session('/me')).status).toBe(200);
    expect(eventsOf('session.recovered')).toHaveLength(1);
    kept = { refreshToken: kept!.refreshToken, accessToken: 'none' };
    await restore();
    expect((await session('/me')).status).toBe(401);
    expect(reasons).toEqual(['refresh_token_unknown']);
  });

  it('R09: an answer that was lost before the commits makes no theft of the client', async () => {
    test.events.length = 0;
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await test.advance('31s');
    await client.sendOnly('/session/refresh', POST);
    await backUp();
    await test.advance('31s');
    await client.refresh();
    expect(test.events.at(-1)).toMatchObject({ case: 'retry-of-lost-response' });
    await restore();
    expect(await client.send('/me')).toMatchObject({ status: 200 });
    await test.confirmUses();
    expect(await client.refresh()).toMatchObject({ status: 200 });
    await rotate(client, 2);
    expect(eventsOf('session.recovered')).toHaveLength(1);
    expect(eventsOf('session.theft')).toEqual([]);
  });

  it('R09: two tabs recover it once, and an older one that is under way ends nothing', async () => {
    const { client } = await robbed(1);
    const older = client.copy();
    await rotate(client);
    await restore();
    const answers = await Promise.all([refreshWith(client), refreshWith(client)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(eventsOf('session.recovered')).toHaveLength(1);
    expect(await refreshWith(older)).toMatchObject({ status: 503 });
    await test.advance('31s');
    expect(await refreshWith(older)).toMatchObject({ status: 401, body: { class: 'recent' } });
  });

  it('R09: an older pair that comes first is replaced by the newer one, and then it is a theft', async () => {
    const { client: owner } = await robbed(1);
    const thief = owner.copy();
    await rotate(owner, 2);
    await restore();
    expect(Object.assign(thief, (await refreshWith(thief)).body)).toMatchObject({ expiresIn: 600 });
    await test.advance('31s');
    expect(Object.assign(thief, (await refreshWith(thief)).body)).toMatchObject({ expiresIn: 600 });
    await test.advance('31s');
    expect(await refreshWith(owner)).toMatchObject({ status: 200 });
    await test.advance('31s');
    expect(await refreshWith(thief)).toMatchObject(refused('token_theft_detected'));
  });

  it('R10: without its access token it is unknown, which has a code and an event, and ends nothing', async () => {
    const { client, id } = await robbed(2);
    await restore();
    expect(await client.refresh()).toMatchObject(refused('refresh_token_unknown'));
    expect(eventsOf('session.lost')).toEqual([{ type: 'session.lost', sessionId: id, userId: 'ada' }]);
    expect(test.events.at(-1)).toEqual({ type: 'session.refused', code: 'refresh_token_unknown', sessionId: id });
    expect(await generationOf(id)).toBe(0);
    expect(await refreshWith(client)).toMatchObject({ status: 200 });
  });

  it('R10: cookies of an unknown token are cleared', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await backUp();
    await rotate(client, 2);
    await restore();
    for (const name of client.jar.keys()) if (name.includes('access')) client.jar.delete(name);
    expect(await client.refresh()).toMatchObject(refused('refresh_token_unknown'));
    expect([...client.jar.keys()]).toEqual([]);
  });

  describe('R11: an attacker', () => {
    it('who has the secret makes no session of an access token', async () => {
      const { client, id } = await robbed(2);
      await restore();
      const { secret } = openRefreshToken(client.refreshToken, [KEYS])!;
      const forge = (generation: number, bytes: Buffer = Buffer.alloc(32, 7)) =>
        encodeRefreshToken({ sessionId: id, generation, secret: bytes }, KEYS);
      for (const forged of [forge(1), forge(2), forge(3), forge(3, secret), forge(2 ** 31 - 2, secret)]) {
        expect(await refreshWith(Object.assign(client.copy(), { refreshToken: forged }))).toMatchObject(
          refused('refresh_token_unknown'),
        );
      }
      expect(await generationOf(id)).toBe(0);
    });

    it('needs the access token of that session, generation and branch, of this application', async () => {
      const { client, id } = await robbed(1);
      const older = client.accessToken;
      const other = new BearerClient(test.url);
      await other.logIn('ada');
      await rotate(client);
      await rotate(other, 2);
      await restore();
      const [header, payload, signature] = client.accessToken.split('.') as [string, string, string];
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
      const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'grace' })).toString('base64url');
      const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
      const wrong = [older, other.accessToken, `${header}.${changed}.${signature}`, `${none}.${payload}.`];
      for (const accessToken of [...wrong, client.refreshToken, '', null, 7, {}, [client.accessToken]]) {
        expect(await refreshWith(client, accessToken)).toMatchObject(refused('refresh_token_unknown'));
      }
      expect(await generationOf(id)).toBe(0);
      expect(await refreshWith(client)).toMatchObject({ status: 200 });
    });

    it('gains nothing by it while nothing is lost: a copy of an older pair is a theft', async () => {
      const { client } = await robbed(1);
      const copy = client.copy();
      await rotate(client, 2);
      expect(await refreshWith(copy)).toMatchObject(refused('token_theft_detected'));
      expect(await refreshWith(client)).toMatchObject(refused('token_theft_detected'));
    });

    it('goes on with no session that has ended, and none of an invalidated user', async () => {
      const { client: revoked, id } = await robbed(1);
      await restore();
      await test.database.query("UPDATE jwt_session SET revoked_at = now(), revoked_reason = 'x' WHERE id = $1", [id]);
      expect(await refreshWith(revoked)).toMatchObject(refused('session_revoked'));
      await test.database.query('DROP TABLE backup');

      const { client: invalidated, id: other } = await robbed(1, 'grace');
      await restore();
      await test.sessions.invalidateTokens('grace', 'refresh');
      expect(await refreshWith(invalidated)).toMatchObject(refused('session_revoked'));
      expect(await generationOf(other)).toBe(0);
      expect(eventsOf('session.recovered')).toEqual([]);
    });

    it('goes on with no session whose lost end this process remembers, and the end is written again', async () => {
      const { client, id } = await robbed(1);
      await test.sessions.logOut(id);
      await restore();
      expect(await refreshWith(client)).toMatchObject(refused('session_revoked'));
      expect(await generationOf(id)).toBe(0);
      await test.app.get(RevocationFeed).poll();
      expect(test.app.get(Revocations).endOf(id)).toBe('logout');
      expect(await test.sessions.get(id)).toBeNull();
    });

    it('goes on with no access token of a key that was distrusted', async () => {
      const { client } = await robbed(1);
      await restore();
      await test.sessions.rotateKeys({ distrust: true });
      expect(await refreshWith(client)).toMatchObject(refused('refresh_token_unknown'));
    });
  });

  it('R09: an access token counts for a week, also where its key has retired', async () => {
    const { client } = await robbed(1);
    await restore();
    for (let day = 0; day < 6; day++) await test.advance('1d');
    await test.sessions.cleanUp();
    expect(await refreshWith(client)).toMatchObject({ status: 200 });
    await test.database.query('DROP TABLE backup');

    const { client: late } = await robbed(1);
    await restore();
    await test.advance('8d');
    expect(await refreshWith(late)).toMatchObject(refused('refresh_token_unknown'));
  });

  it('R11: an invalidation after a lost one counts for tokens that were issued in between', async () => {
    const { client } = await robbed(1, 'alan');
    await test.sessions.invalidateTokens('alan', 'access');
    expect(await client.send('/me')).toMatchObject(refused('access_token_invalid'));
    expect(Object.assign(client, (await refreshWith(client)).body)).toMatchObject({ expiresIn: 600 });
    await test.database.query("DELETE FROM jwt_session_user_auth WHERE user_id = 'alan'");
    const other = await startTestApp({ platform, database: test.database, clock: test.clock });
    try {
      const elsewhere = Object.assign(new BearerClient(other.url), { accessToken: client.accessToken });
      expect(await elsewhere.send('/me')).toMatchObject({ status: 200 });
      await test.advance('1s');
      await other.sessions.invalidateTokens('alan', 'access');
      expect(await elsewhere.send('/me')).toMatchObject(refused('access_token_invalid'));
      await test.app.get(RevocationFeed).poll();
      expect(await client.send('/me')).toMatchObject(refused('access_token_invalid'));
    } finally {
      await other.close();
    }
  });
});
