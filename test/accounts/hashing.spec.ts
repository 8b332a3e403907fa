import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Argon2Hasher, type Argon2Settings, PasswordHasher } from 'nestjs-jwt-session/accounts';
import { resolveAccountOptions } from '../../lib/accounts/options/resolve-account-options.js';
import { PasswordPolicy } from '../../lib/accounts/passwords/password-policy.js';
import { until } from '../support/until.js';
import { AccountApp, FAST, OTHER_PASSWORD, PASSWORD, withFastHashes } from './account-app.js';

const REQUIRED = { baseUrl: 'https://garden.example', serviceName: 'The Garden', mail: { from: 'x@garden.example' } };

async function hasher(settings: Partial<Argon2Settings> = {}): Promise<Argon2Hasher> {
  const made = new Argon2Hasher({ ...FAST, ...settings });
  await made.onModuleInit();
  return made;
}

describe('Argon2Hasher', () => {
  it('hashes by the defaults with OWASP’s parameters, each time with another salt', async () => {
    const { password } = resolveAccountOptions(REQUIRED, {});
    const byDefault = await hasher(password);
    const [one, two] = [await byDefault.hash(PASSWORD), await byDefault.hash(PASSWORD)];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(two).not.toBe(one);
    expect(await byDefault.verify(one, PASSWORD)).toBe(true);
    expect(await byDefault.verify(one, OTHER_PASSWORD)).toBe(false);
    expect(byDefault.needsRehash(one)).toBe(false);
    expect((await hasher()).needsRehash(one)).toBe(true);
  });

  it('takes the same characters for the same, however a keyboard writes them, and never a part for the whole', async () => {
    const fast = await hasher();
    const hash = await fast.hash('caf\u00e9 \ufb01ne and long enough');
    expect(await fast.verify(hash, 'cafe\u0301 fine and long enough')).toBe(true);
    const long = 'x'.repeat(200);
    expect(await fast.verify(await fast.hash(long), long.slice(1))).toBe(false);
  });

  it('keys passwords with the newest pepper, opens those of older ones, and requires that they are hashed again', async () => {
    const [first, second] = ['a'.repeat(32), 'b'.repeat(32)];
    const plain = await (await hasher()).hash(PASSWORD);
    const old = await (await hasher({ peppers: [first] })).hash(PASSWORD);
    const both = await hasher({ peppers: [second, first] });
    const now = await both.hash(PASSWORD);
    for (const hash of [plain, old, now]) expect(await both.verify(hash, PASSWORD)).toBe(true);
    expect([plain, old, now].map(hash => both.needsRehash(hash))).toEqual([true, true, false]);
    expect(await both.verify(old, OTHER_PASSWORD)).toBe(false);
    // A person who has the hash without the pepper cannot try passwords.
    expect(await (await hasher()).verify(old.slice(old.indexOf('$')), PASSWORD)).toBe(false);
    await expect((await hasher({ peppers: [second] })).verify(old, PASSWORD)).rejects.toThrow('"password.pepper"');
  });

  it('a password is hashed anew at login where parameters were raised, also by ten logins at once', async () => {
    const app = await AccountApp.start({ override: withFastHashes });
    await app.member('ada@example.com');
    const stored = async () =>
      (await app.test.database.query<{ password_hash: string }>('SELECT password_hash FROM jwt_account'))[0]!
        .password_hash;
    const raised = await hasher({ timeCost: 2 });
    const second = await AccountApp.start({
      database: app.test.database,
      clock: app.test.clock,
      inbox: app.inbox,
      override: builder => withHasher(builder, raised),
    });
    expect(await stored()).toContain('m=8,t=1,');
    const logins = await Promise.all(Array.from({ length: 10 }, () => second.loggedIn('ada@example.com')));
    expect(await stored()).toContain('m=8,t=2,');
    for (const client of logins) expect((await client.send('/account')).status).toBe(200);
    await second.close();
    await app.close();
  });

  it('issue 15, point 13: registrations beyond what is hashed in time are refused, and count nowhere', async () => {
    let open = () => {};
    let gate = Promise.resolve();
    class StoppedHasher extends Argon2Hasher {
      override async hash(password: string): Promise<string> {
        await gate;
        return super.hash(password);
      }
    }
    const stopped = new StoppedHasher(FAST);
    const app = await AccountApp.start({ override: builder => withHasher(builder, stopped) });
    gate = new Promise<void>(resolve => (open = resolve));
    try {
      const waiting = Array.from({ length: 32 }, (_, n) => app.register(`waits-${n}@example.com`));
      await until(async () => (await attempts()).length === 33);
      await app.test.clock.advance('3s');
      const before = await attempts();
      const refused = await app.register('refused@example.com');
      expect(refused).toMatchObject({ status: 503, body: { errorCode: 'session_store_unavailable' } });
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(await attempts()).toEqual(before);
      open();
      expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(32).fill(202));
    } finally {
      open();
      await app.close();
    }

    function attempts() {
      return app.test.database.query<{ key: string; hits: number }>(
        'SELECT key, hits FROM jwt_account_attempt ORDER BY key',
      );
    }
  });
});

function withHasher(builder: Parameters<typeof withFastHashes>[0], value: Argon2Hasher): void {
  withFastHashes(builder);
  builder.overrideProvider(PasswordHasher).useValue(value);
}

/** 256 characters without a repetition. */
const LONG = [1, 2, 3, 4].map(n => createHash('sha256').update(`${n}`).digest('hex')).join('');

describe('PasswordPolicy', () => {
  let policy: PasswordPolicy;
  beforeAll(async () => {
    policy = await policyWith({});
  });

  async function policyWith(password: object): Promise<PasswordPolicy> {
    const made = new PasswordPolicy(resolveAccountOptions({ ...REQUIRED, password }, {}));
    await made.onModuleInit();
    return made;
  }

  async function reasonOf(password: string, by = policy): Promise<string | undefined> {
    const outcome = await by
      .check('password', password, 'ada.lovelace.byron@example.com')
      .catch((error: unknown) => error);
    return (outcome as { errors?: { reason: string }[] } | undefined)?.errors?.[0]?.reason;
  }

  it.each([
    ['fourteen chars', 'too_short'],
    // Seven characters of four bytes each, and then some.
    ['🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱🌱', 'too_short'],
    ['x'.repeat(257), 'too_long'],
    ['passwordpassword', 'guessable'],
    ['PasswordPassword', 'guessable'],
    ['1qaz2wsx3edc4rfv', 'guessable'],
    ['password1234567', 'guessable'],
    ['Password123456!', 'guessable'],
    ['adminadminadmin', 'guessable'],
    ['P@ssw0rdP@ssw0rd', 'guessable'],
    ['letmeinletmein1', 'guessable'],
    ['abc123abc123abc123', 'guessable'],
    ['thisismypassword', 'guessable'],
    ['TheGarden2026!!', 'guessable'],
    ['garden the garden', 'guessable'],
    ['byron & lovelace, ada', 'guessable'],
    ['example.com example', 'guessable'],
    ['ada.lovelace.byron@example.com', 'guessable'],
    ['AdaLovelaceByron1815!', 'guessable'],
    ['The Garden The Garden', 'guessable'],
    ['aaaaaaaaaaaaaaaaaaaa', 'guessable'],
    ['abcabcabcabcabcabc', 'guessable'],
    ['12345678901234567890', 'guessable'],
    ['qwertyuiopasdfghj', 'guessable'],
    ['zyxwvutsrqponmlkj', 'guessable'],
  ])('refuses %j: %s', async (password, reason) => {
    expect(await reasonOf(password)).toBe(reason);
  });

  it.each([
    'fifteen chars!!',
    'a garden of seven oaks',
    'only lower case letters',
    '🌱 fünfzehn und mehr',
    'the lovelace garden of ada',
    '   spaces around it   ',
    'correct horse battery staple',
    '83750174937402846',
    LONG,
  ])('takes %j: no rule asks for digits or symbols', async password => {
    expect(await reasonOf(password)).toBeUndefined();
  });

  it('asks the application where it has better knowledge, with the normal form', async () => {
    const asked: string[] = [];
    const own = await policyWith({
      minLength: 8,
      isCompromised: async (password: string) => asked.push(password) > 1,
    });
    expect(await reasonOf('passwordpassword', own)).toBeUndefined();
    expect(await reasonOf('cafe\u0301 garden', own)).toBe('common');
    expect(asked).toEqual(['passwordpassword', 'caf\u00e9 garden']);
  });

  it('takes random characters of the least length where the application allows shorter passwords', async () => {
    const short = await policyWith({ minLength: 8 });
    for (const password of ['password', 'Pa$$w0rd', 'iloveyou', 'garden12', 'aaaaaaaa']) {
      expect([password, await reasonOf(password, short)]).toEqual([password, 'guessable']);
    }
    for (const password of ['Kx8!vQ2#', 'mq7wzt4b']) expect(await reasonOf(password, short)).toBeUndefined();
  });

  it('estimates a long password as fast as its first 40 characters', async () => {
    const password = 'qz7!'.repeat(64);
    const cpuTimeOf = async (text: string) => {
      const before = process.cpuUsage();
      await reasonOf(text);
      return process.cpuUsage(before).user;
    };
    await cpuTimeOf(password);
    expect(await cpuTimeOf(password)).toBeLessThan(10 * (await cpuTimeOf(password.slice(0, 40))) + 10_000);
  });
});
