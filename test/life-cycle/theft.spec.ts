import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Database } from '../../lib/store/database.js';
import { ACCESS_COOKIE, CookieClient, MARKER_COOKIE, REFRESH_COOKIE } from '../support/client.js';
import { OpenTransaction } from '../support/races.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { steal, THEFT_CLASSES } from '../support/thefts.js';

const refused = (theftClass: string) => ({
  status: 401,
  body: { statusCode: 401, errorCode: 'token_theft_detected', class: theftClass },
});

describe.each(PLATFORMS)('theft on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  describe.each(THEFT_CLASSES)('of class %s', theftClass => {
    it('R02, scenario 7: reuse beyond the leeway revokes the session, and clears the cookies', async () => {
      const { sessionId, thief } = await steal(test, theftClass);
      const answer = await thief.refresh();

      expect(answer).toMatchObject(refused(theftClass));
      // Neither the old token nor anything else is handed out.
      expect(thief.jar).toEqual(new Map());
      expect(answer.setCookie.map(cookie => cookie.split('=', 2)[0]).sort()).toEqual(
        [ACCESS_COOKIE, MARKER_COOKIE, REFRESH_COOKIE].sort(),
      );
      expect(test.events.filter(event => event.type === 'session.theft' && event.sessionId === sessionId)).toEqual([
        { type: 'session.theft', sessionId, userId: 'ada', class: theftClass, ended: 1 },
      ]);
      expect(test.events).toContainEqual({
        type: 'session.revoked',
        sessionIds: [sessionId],
        reason: `theft:${theftClass}`,
        source: 'local',
      });
      expect(await test.sessions.get(sessionId)).toBeNull();
    });

    it('R02, scenario 19: every later token of the session, the access tokens too, tells of the theft', async () => {
      const { victim, thief } = await steal(test, theftClass);
      const newest = victim.copy();
      const old = thief.copy();
      expect(await newest.send('/me')).toMatchObject({ status: 200 });
      await thief.refresh();

      for (const client of [newest, old]) {
        const guarded = client.copy();
        expect(await guarded.send('/me')).toMatchObject(refused(theftClass));
        expect(guarded.jar).toEqual(new Map());
        expect(await client.refresh()).toMatchObject(refused(theftClass));
        expect(client.jar).toEqual(new Map());
      }
      // Also for a victim who comes back hours later, when no process remembers.
      await test.advance('12h');
      expect(await victim.copy().refresh()).toMatchObject(refused(theftClass));
    });

    it('scenario 17: the other sessions of the user live on', async () => {
      const other = new CookieClient(test.url);
      await other.logIn('ada');
      const { thief } = await steal(test, theftClass);
      expect(await thief.refresh()).toMatchObject(refused(theftClass));

      expect(await other.send('/me')).toMatchObject({ status: 200 });
      expect(await other.refresh()).toMatchObject({ status: 200 });
    });
  });

  it('R02, scenario 7: the access token was used, then the first refresh token comes again', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const before = client.copy();
    await client.refresh();
    await client.send('/me');
    await test.confirmUses();
    await test.advance('31s');
    expect(await before.refresh()).toMatchObject(refused('recent'));
  });

  it('R03: within the window the first refresh token still leads to the current one', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const before = client.copy();
    await client.refresh();
    await client.send('/me');
    await test.confirmUses();
    await test.advance('20s');

    expect(await before.refresh()).toMatchObject({ status: 200 });
    expect(before.refreshToken).toBe(client.refreshToken);
    // It did not begin the window anew.
    await test.advance('11s');
    const late = client.copy();
    late.jar.delete(ACCESS_COOKIE);
    expect(await late.refresh()).toMatchObject({ status: 200 });
    expect(late.refreshToken).not.toBe(client.refreshToken);
  });

  it('R02: a thief who mints first and lives on is found out by the victim', async () => {
    const victim = new CookieClient(test.url);
    await victim.logIn('ada');
    const thief = victim.copy();
    await thief.refresh();
    await thief.send('/me');
    await test.confirmUses();
    await test.advance('31s');

    expect(await victim.refresh()).toMatchObject(refused('recent'));
    expect(await thief.copy().send('/me')).toMatchObject(refused('recent'));
    expect(await thief.refresh()).toMatchObject(refused('recent'));
  });

  it('R02: one of two parties voids the other, also when both have a child of the same token', async () => {
    const victim = new CookieClient(test.url);
    await victim.logIn('ada');
    const thief = victim.copy();
    await thief.refresh();
    await test.advance('31s');
    await victim.refresh();
    // Known to have arrived, so that the thief's child is one of the current generation.
    await victim.refresh();
    expect(await thief.refresh()).toMatchObject(refused('fork'));
    expect(await victim.refresh()).toMatchObject(refused('fork'));
  });
});

describe.each(PLATFORMS)('theft by access tokens alone, on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { onTheft: 'revoke-user' } });
  });
  afterAll(() => test?.close());

  /** A thief who refreshes twice with the token of an idle client, and has used neither access token. */
  async function patientThief(userId: string) {
    const victim = new CookieClient(test.url);
    await victim.logIn(userId);
    const thief = victim.copy();
    const before = thief.copy();
    await before.refresh();
    await test.advance('31s');
    await thief.refresh();
    return { victim, before, thief };
  }

  it('R02: a thief who acts with the access token before the newest is noticed, and ends all sessions of the user', async () => {
    const { victim, before } = await patientThief('ada');
    const other = new CookieClient(test.url);
    await other.logIn('ada');
    await before.send('/me');
    await test.confirmUses();

    expect(await before.send('/me')).toMatchObject(refused('fork'));
    expect(await victim.copy().send('/me')).toMatchObject(refused('fork'));
    expect(await victim.refresh()).toMatchObject(refused('fork'));
    expect(await other.send('/me')).toMatchObject({ status: 401 });
    expect(test.events).toContainEqual(
      expect.objectContaining({ type: 'session.theft', userId: 'ada', class: 'fork', ended: 2 }),
    );
  });

  it('R02: all sessions of the user or none: a statement that fails is repeated by the next use', async () => {
    const { before } = await patientThief('lise');
    const other = new CookieClient(test.url);
    await other.logIn('lise');
    const database = test.app.get(Database);
    const query = database.query.bind(database);
    const failing = jest.spyOn(database, 'query').mockImplementation((statement, ...rest) => {
      if (/_end_(stolen|of_user)$/.test(statement.name)) return Promise.reject(new Error('connection lost'));
      return query(statement, ...rest);
    });
    await before.send('/me');
    await test.confirmUses();
    expect(failing.mock.calls.filter(([{ name }]) => name.includes('_end_'))).toHaveLength(1);
    failing.mockRestore();
    expect(await other.copy().send('/me')).toMatchObject({ status: 200 });

    await before.send('/me');
    await test.confirmUses();
    expect(await before.send('/me')).toMatchObject(refused('fork'));
    expect(await other.send('/me')).toMatchObject(refused('fork'));
    expect(test.events).toContainEqual(
      expect.objectContaining({ type: 'session.theft', userId: 'lise', class: 'fork', ended: 2 }),
    );
  });

  it('R02: also while another transaction holds the row; the next use tells', async () => {
    const { before } = await patientThief('grace');
    const holder = await OpenTransaction.begin(test.database);
    await holder.query("SELECT FROM jwt_session WHERE user_id = 'grace' FOR UPDATE");
    await before.send('/me');
    await test.confirmUses();
    expect(await before.send('/me')).toMatchObject({ status: 200 });
    await holder.commit();
    await test.confirmUses();
    expect(await before.send('/me')).toMatchObject(refused('fork'));
  });

  it('R03: the victim who uses an access token of the generation before accuses nobody', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('joan');
    await client.refresh();
    const older = client.copy();
    await older.send('/me');
    for (let round = 0; round < 3; round++) {
      await test.advance('31s');
      await client.refresh();
      await client.send('/me');
      await older.send('/me');
      await test.confirmUses();
    }
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });
});

describe.each(PLATFORMS)("theft with leeway '0s' on %s", platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { session: { leeway: '0s' } } });
  });
  afterAll(() => test?.close());

  it('R01, R03: every refresh rotates, and a lost response is still made good', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const tokens = [client.refreshToken];
    for (let round = 0; round < 3; round++) {
      expect(await client.sendOnly('/session/refresh', { method: 'POST' })).toMatchObject({ status: 200 });
      expect(await client.refresh()).toMatchObject({ status: 200 });
      tokens.push(client.refreshToken);
    }
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  it('R02: a token that was followed by the use of its successor is theft at once', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const before = client.copy();
    await client.refresh();
    await client.refresh();
    expect(await before.refresh()).toMatchObject(refused('recent'));
    expect(await client.refresh()).toMatchObject(refused('recent'));
  });
});

describe.each(PLATFORMS)("theft with onTheft 'revoke-user' on %s", platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { onTheft: 'revoke-user' } });
  });
  afterAll(() => test?.close());

  async function logIn(userId: string): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    await client.logIn(userId);
    return client;
  }

  it.each(['fork', 'stale'] as const)("R02: %s ends all of the user's sessions and nobody else's", async theftClass => {
    const [sibling, grace] = [await logIn('ada'), await logIn('grace')];
    const { sessionId, thief } = await steal(test, theftClass);
    expect(await thief.refresh()).toMatchObject(refused(theftClass));

    expect(test.events).toContainEqual({
      type: 'session.theft',
      sessionId,
      userId: 'ada',
      class: theftClass,
      ended: 2,
    });
    expect(await sibling.send('/me')).toMatchObject(refused(theftClass));
    expect(await test.sessions.list('ada')).toEqual([]);
    expect(await grace.refresh()).toMatchObject({ status: 200 });
  });

  it('R02: recent, which a crash between use and storage causes too, ends its own session only', async () => {
    const sibling = await logIn('ada');
    const { sessionId, thief } = await steal(test, 'recent');
    expect(await thief.refresh()).toMatchObject(refused('recent'));

    expect(await test.sessions.get(sessionId)).toBeNull();
    expect(await sibling.refresh()).toMatchObject({ status: 200 });
  });
});
