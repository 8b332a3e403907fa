import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type LogInOptions, SessionExchange, SessionUsageError } from 'nestjs-jwt-session';
import { CookieClient } from '../support/client.js';
import { usageErrorOf } from '../support/logged-errors.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const KEPT_EXACTLY = {
  'a number': '1',
  padded: ' padded ',
  object: '{"id":1,"$ne":null}',
  array: '["ada"]',
  null: 'null',
  '200 characters': 'x'.repeat(200),
  '255 characters': 'é'.repeat(255),
  '255 emoji': '🦊'.repeat(255),
  'a family': '👩‍👩‍👧‍👦',
  'line breaks': 'a\r\nb\tc',
  decomposed: 'e\u0301',
  quotes: `'";--\\`,
};

/** What a client may have written. */
const REFUSED_IDS: Record<string, unknown> = {
  empty: '',
  '256 characters': 'x'.repeat(256),
  '256 emoji': '🦊'.repeat(256),
  NUL: 'ada\0',
  'a lone surrogate': 'ada\ud800',
};

/** What only the application can have done wrong. */
const MISTAKEN_IDS: Record<string, unknown> = {
  number: 1,
  null: null,
  boolean: true,
  array: ['ada'],
  object: { id: 'ada' },
};

class Money {
  constructor(readonly amount: number) {}
}

const cyclic: Record<string, unknown> = {};
cyclic.self = [cyclic];

/** What JSON or PostgreSQL's jsonb would refuse, drop or change. */
const NOT_JSON: Record<string, unknown> = {
  function: () => 1,
  undefined: undefined,
  symbol: Symbol('x'),
  NaN: NaN,
  Infinity: -Infinity,
  BigInt: 1n,
  Date: new Date(0),
  Map: new Map(),
  Buffer: Buffer.from('x'),
  'class instance': new Money(1),
  cyclic,
  NUL: 'a\0b',
  'lone surrogate': '\udfff',
  'NUL in a name': { 'a\0b': 1 },
  'too deep': JSON.parse('['.repeat(100) + ']'.repeat(100)),
};

describe.each(PLATFORMS)('user ids on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  it.each(Object.entries(KEPT_EXACTLY))('scenario 2: %s keeps its exact value', async (_, userId) => {
    const client = new CookieClient(test.url);
    expect(await client.logIn(userId)).toMatchObject({ status: 200 });
    expect((await client.send('/me')).body.userId).toBe(userId);
    expect(await client.refresh()).toMatchObject({ status: 200 });
    const { body } = await client.send('/me');
    expect(body.userId).toBe(userId);
    expect(await test.sessions.get(body.sessionId!)).toMatchObject({ userId });
    expect(await test.sessions.list(userId)).toHaveLength(1);
  });

  it('scenario 2: ids that look alike are different users', async () => {
    const alike = ['7', ' 7', '7 ', '7.0', '07', '\uff17', 'caf\u00e9', 'cafe\u0301', 'Café'];
    for (const userId of alike) expect(await new CookieClient(test.url).logIn(userId)).toMatchObject({ status: 200 });
    for (const userId of alike) expect(await test.sessions.list(userId)).toHaveLength(1);
    expect(await test.sessions.logOutAll('7')).toBe(1);
  });

  it.each(Object.entries(REFUSED_IDS))('scenario 2: %s is refused, nothing is written', async (_, userId) => {
    const before = await sessions(test);
    const client = new CookieClient(test.url);
    const answer = await client.send('/login', { method: 'POST', body: { userId } });
    expect(answer).toMatchObject({ status: 400, setCookie: [], body: { errorCode: 'invalid_request' } });
    expect(answer.body.message).toMatch(/user id/);
    expect(await sessions(test)).toBe(before);
  });

  it.each(Object.entries(MISTAKEN_IDS))(
    'scenario 2: %s is a mistake of the application, nothing is written',
    async (_, userId) => {
      const before = await sessions(test);
      const logIn = () => new CookieClient(test.url).send('/login', { method: 'POST', body: { userId } });
      expect(await usageErrorOf(test.app, logIn)).toMatch(/user id must be a string/);
      expect(await sessions(test)).toBe(before);
    },
  );

  it('scenario 2: a number is refused with the remedy', async () => {
    await expect(test.sessions.logIn(1 as unknown as string)).rejects.toThrow('write String(id)');
  });

  it('C04: claims that overflow the cookie are refused by name, nothing is written', async () => {
    const before = await sessions(test);
    const client = new CookieClient(test.url);
    const logIn = () => client.logIn('ada', { story: 'x'.repeat(4_000) });
    expect(await usageErrorOf(test.app, logIn)).toMatch(/claims.*cookie.*data/);
    expect(await sessions(test)).toBe(before);

    // The longest that is accepted fits, and still does after a refresh.
    const longest = await longestStory(client);
    expect(await client.logIn('ada', { story: 'x'.repeat(longest) })).toMatchObject({ status: 200 });
    const { setCookie } = await client.refresh();
    for (const cookie of setCookie) expect(cookie.length).toBeLessThanOrEqual(4_096);
    expect(Math.max(...setCookie.map(cookie => cookie.length))).toBeGreaterThan(3_900);
  });

  it.each(['sub', 'sid', 'exp', 'iat', 'iss', 'aud', 'jti', 'nbf', 'auth_time'])(
    'claims that shadow %s are refused, nothing is written',
    async name => {
      const before = await sessions(test);
      const claims = JSON.parse(`{ "role": "user", "${name}": "x" }`) as Record<string, unknown>;
      const logIn = () => new CookieClient(test.url).logIn('ada', claims);
      expect(await usageErrorOf(test.app, logIn)).toContain(name);
      expect(await sessions(test)).toBe(before);
    },
  );

  it.each(['"text"', '[1]', 'null', '7'])('claims that are no object (%s) are refused', async claims => {
    const body = { userId: 'ada', claims: JSON.parse(claims) as unknown };
    const logIn = () => new CookieClient(test.url).send('/login', { method: 'POST', body });
    expect(await usageErrorOf(test.app, logIn)).toContain('"claims" must be a plain object');
  });
});

describe('claims and data', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  describe.each(['claims', 'data'] as const)('%s', where => {
    it.each(Object.entries(NOT_JSON))('that are not JSON are refused by logIn: %s', async (_, value) => {
      const before = await sessions(test);
      for (const member of [{ value }, { nested: [{ value }] }]) {
        const options = { [where]: member } as LogInOptions;
        await expect(test.sessions.logIn('ada', options)).rejects.toThrow(SessionUsageError);
      }
      expect(await sessions(test)).toBe(before);
    });

    it('of every kind of JSON come back as they were', async () => {
      const value = {
        text: 'é🦊"\\\u0001',
        number: -1.5e-7,
        large: 1e21,
        no: false,
        nothing: null,
        list: [[], [1, [2]], {}],
        '': { ' ': 0 },
      };
      const { session, accessToken } = await test.sessions.logIn('ada', { [where]: value });
      const stored =
        where === 'data' ? await test.sessions.getData(session.id) : (await test.sessions.verify(accessToken!)).claims;
      expect(stored).toEqual(value);
    });
  });

  it('claims that would change what the claims object is are refused', async () => {
    for (const name of ['__proto__', 'constructor', 'toJSON']) {
      const claims = JSON.parse(`{ "${name}": "x" }`) as Record<string, unknown>;
      await expect(test.sessions.logIn('ada', { claims })).rejects.toThrow(SessionUsageError);
    }
  });

  it('a cookie is no limit for data, nor for what a bearer client can carry', async () => {
    const data = { text: 'x'.repeat(100_000) };
    const { session } = await test.sessions.logIn('ada', { data, claims: { story: 'x'.repeat(4_000) } });
    expect(await test.sessions.getData(session.id)).toEqual(data);
    await expect(test.sessions.logIn('ada', { claims: { story: 'x'.repeat(9_000) } })).rejects.toThrow(
      SessionUsageError,
    );
  });

  it('a label or a reason that cannot be kept is refused', async () => {
    for (const label of ['x'.repeat(256), 'a\0']) {
      await expect(test.sessions.logIn('ada', { label })).rejects.toMatchObject({ errorCode: 'invalid_request' });
    }
    const number = 7 as unknown as string;
    await expect(test.sessions.logIn('ada', { label: number })).rejects.toThrow(SessionUsageError);
    const { session } = await test.sessions.logIn('ada', { label: 'é'.repeat(255) });
    await expect(test.sessions.logOut(session.id, { reason: 'theft:fork' })).rejects.toThrow(SessionUsageError);
    for (const reason of ['x'.repeat(65), 'a\0']) {
      await expect(test.sessions.logOut(session.id, { reason })).rejects.toMatchObject({
        errorCode: 'invalid_request',
      });
    }
    expect(await test.sessions.get(session.id)).not.toBeNull();
  });
});

async function sessions({ database }: TestApp): Promise<number> {
  const [row] = await database.query<{ count: number }>('SELECT count(*)::integer AS count FROM jwt_session');
  return row!.count;
}

/** How long a text in the claims may be, found by halving. */
async function longestStory(client: CookieClient): Promise<number> {
  let [fits, overflows] = [0, 4_096];
  while (overflows - fits > 1) {
    const middle = Math.floor((fits + overflows) / 2);
    const { status } = await client.copy().logIn('ada', { story: 'x'.repeat(middle) });
    if (status === 200) fits = middle;
    else overflows = middle;
  }
  return fits;
}

describe.each(PLATFORMS)('options of logIn on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  it.each<[string, unknown, string]>([
    ['a misspelt one', { lable: 'my phone' }, 'unknown option "lable": did you mean "label"?'],
    ['an unknown one', { colour: true }, 'unknown option "colour": remove it, or correct its spelling'],
    ['an exchange in their place', Object.create(SessionExchange.prototype), 'write logIn(userId, { exchange })'],
    ['a text in their place', 'cookie', 'The options must be a plain object'],
  ])('%s is refused, and no session is made', async (_, options, message) => {
    const login = test.sessions.logIn('grace', options as LogInOptions);
    await expect(login).rejects.toMatchObject({
      name: 'SessionUsageError',
      message: expect.stringContaining(message),
    });
    expect(await test.sessions.list('grace')).toEqual([]);
  });
});
