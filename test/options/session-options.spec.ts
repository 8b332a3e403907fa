import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionModule, type SessionModuleOptions, SessionOptionsError } from 'nestjs-jwt-session';
import { ResolvedSessionOptions, resolveOptions } from '../../lib/options/resolve-options.js';
import { refusalOf, startApplication, typeOrmOn, withoutDatabase } from '../support/application.js';
import { TestDatabase } from '../support/database.js';

const SECRET = 'a-secret-of-sufficient-length-for-tests';
const SHORT_SECRET = 'too-short-to-be-a-secret';

// What TypeScript would refuse comes in by configuration files and plain JavaScript all the same.
type Unchecked = Record<string, unknown>;

/** Resolved as when the application starts, without starting one. */
function resolved(options: Unchecked = {}, environment: Record<string, string> = {}): ResolvedSessionOptions {
  return resolveOptions(options, environment);
}

function refusal(options: Unchecked, environment: Record<string, string> = {}): string {
  try {
    resolveOptions(options, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(SessionOptionsError);
    return (error as Error).message;
  }
  throw new Error('the options are accepted');
}

const ANNOUNCER = { announce: async () => undefined, listen: async () => ({ close: async () => undefined }) };

const PRODUCTION = { NODE_ENV: 'production' };

describe('the options of SessionModule', () => {
  it('have one default each, and forRoot() without arguments works', () => {
    const [minute, day] = [60_000, 86_400_000];
    expect(resolved()).toEqual({
      secrets: [],
      acceptsGeneratedSecret: true,
      accessToken: { lifetime: 10 * minute, jitter: 0, algorithm: 'ES256', clockTolerance: 5_000, encryption: 'off' },
      session: { idleLifetime: 30 * day, absoluteLifetime: 180 * day, leeway: 30_000, onLimit: 'evict-oldest' },
      keys: { rotateEvery: 7 * day, publishAhead: 60 * minute },
      revocation: { mode: 'live', maxStaleness: 30_000, feed: 'notify' },
      transport: 'both',
      cookies: { secure: true, accessName: 'access_token', refreshName: 'refresh_token' },
      csrf: 'origin',
      trustedOrigins: [],
      onTheft: 'revoke-session',
      overload: { maxWait: 2_000 },
      binding: { ip: 'off', userAgent: 'off', key: 'off' },
      keyBinding: { dpop: { proofLifetime: minute, baseUrls: [], nonce: 'off' } },
      devices: { ip: 'full', userAgent: 'full', recognise: false },
      distributed: false,
      telemetry: false,
    });
  });

  it('take the default where a value is undefined, as an unset environment variable is', () => {
    const { accessToken, session, keys, cookies, transport } = resolved({
      accessToken: { lifetime: undefined, algorithm: undefined },
      session: { leeway: undefined },
      keys: undefined,
      cookies: { secure: undefined },
      transport: undefined,
    });
    expect(accessToken.lifetime).toBe(600_000);
    expect(accessToken.algorithm).toBe('ES256');
    expect(session.leeway).toBe(30_000);
    expect(keys.publishAhead).toBe(3_600_000);
    expect(cookies.secure).toBe(true);
    expect(transport).toBe('both');
  });

  it('take an announcer as it is, also one of another copy of the package', () => {
    const { revocation } = resolved({ revocation: { announcer: ANNOUNCER, feed: 'poll' } });
    expect(revocation.announcer).toBe(ANNOUNCER);
    const listenUrl = 'postgresql://user:password@database:5432/app';
    expect(resolved({ revocation: { listenUrl } }).revocation.listenUrl).toBe(listenUrl);
  });

  it("let 'none' lift the absolute limit, and take every unit of a duration", () => {
    const { session, accessToken, keys } = resolved({
      secret: SECRET,
      accessToken: { lifetime: '1.5h', clockTolerance: '500ms' },
      session: { absoluteLifetime: 'none', leeway: '0s' },
      keys: { rotateEvery: '2d', publishAhead: '10m' },
    });
    expect(accessToken.lifetime).toBe(5_400_000);
    expect(accessToken.clockTolerance).toBe(500);
    expect(session.absoluteLifetime).toBeNull();
    expect(session.leeway).toBe(0);
    expect(keys.rotateEvery).toBe(172_800_000);
    expect(keys.publishAhead).toBe(600_000);
  });

  it.each<[string, Unchecked, RegExp]>([
    [
      'an unknown option',
      { accesToken: { lifetime: '5m' } },
      /unknown option "accesToken": did you mean "accessToken"\?/,
    ],
    [
      'an unknown nested option',
      { session: { leway: '5s' } },
      /unknown option "session\.leway": did you mean "session\.leeway"\?/,
    ],
    ['an option in the wrong group', { leeway: '5s' }, /unknown option "leeway": did you mean "session\.leeway"\?/],
    [
      'an option in other letters',
      { cookies: { samesite: 'lax' } },
      /unknown option "cookies\.samesite": did you mean "cookies\.sameSite"\?/,
    ],
    [
      'an unknown option of cookies',
      { cookies: { httpOnly: false } },
      /unknown option "cookies\.httpOnly": remove it, or correct its spelling/,
    ],
    ['a bare number', { accessToken: { lifetime: 600 } }, /"accessToken\.lifetime": .*did you mean '600s' or '600ms'/],
    [
      'a number as text',
      { session: { idleLifetime: '3600' } },
      /"session\.idleLifetime": write a duration with a unit/,
    ],
    ['a unit that is none', { keys: { rotateEvery: '1w' } }, /"keys\.rotateEvery": write a duration with a unit/],
    ['a negative duration', { session: { leeway: '-1s' } }, /"session\.leeway": write a duration with a unit/],
    ['an empty duration', { keys: { publishAhead: '' } }, /"keys\.publishAhead": write a duration with a unit/],
    ['null as a duration', { session: { absoluteLifetime: 7 } }, /"session\.absoluteLifetime": .*or 'none'/],
    ['a lifetime of nothing', { accessToken: { lifetime: '0s' } }, /"accessToken\.lifetime": write '1s' or more/],
    [
      "'none' where it means nothing",
      { session: { idleLifetime: 'none' } },
      /"session\.idleLifetime": write a duration/,
    ],
    [
      'a leeway that is shorter than a request takes',
      { session: { leeway: '30ms' } },
      /"session\.leeway": write '0s', or '1s' or more/,
    ],
    ['a leeway below a second', { session: { leeway: '999ms' } }, /"session\.leeway": write '0s', or '1s' or more/],
    ['a leeway over two minutes', { session: { leeway: '121s' } }, /"session\.leeway": write '120s' or less/],
    ['a list for a group', { session: [] }, /"session": write an object/],
    ['a text for a group', { cookies: 'secure' }, /"cookies": write an object/],
    ['an algorithm that is none', { accessToken: { algorithm: 'none' } }, /"accessToken\.algorithm": .*ES256, ES384/],
    ['a transport that is none', { transport: 'header' }, /"transport": .*cookie, bearer, both/],
    ['an unknown theft policy', { onTheft: 'ignore' }, /"onTheft": .*revoke-session, revoke-user/],
    ['an unknown csrf mode', { csrf: true }, /"csrf": .*origin, token, both, off/],
    [
      'a cookie name with its prefix',
      { cookies: { accessName: '__Host-a' } },
      /"cookies\.accessName": leave out the prefix, such as __Host-Http-/,
    ],
    ['a cookie name with a blank', { cookies: { refreshName: 'a b' } }, /"cookies\.refreshName": write a cookie name/],
    ['a domain with a scheme', { cookies: { domain: 'https://example.com' } }, /"cookies\.domain": write a host name/],
    ['a relative cookie path', { cookies: { refreshPath: 'api' } }, /"cookies\.refreshPath": write an absolute path/],
    ['a text for a yes or no', { cookies: { secure: 'false' } }, /"cookies\.secure"/],
    ['an origin with a path', { trustedOrigins: ['https://a.test/'] }, /"trustedOrigins": write each origin as/],
    ['a wildcard origin', { trustedOrigins: ['https://*.a.test'] }, /"trustedOrigins": write each origin as/],
    ['one origin without a list', { trustedOrigins: 'https://a.test' }, /"trustedOrigins": /],
    [
      'a listenUrl of another scheme',
      { revocation: { listenUrl: 'https://database' } },
      /"revocation\.listenUrl": write a URL that begins with postgres:/,
    ],
    [
      'distributed tables with notifications',
      { distributed: true },
      /"distributed": a notification reaches only .* write revocation: \{ feed: 'poll' \}/,
    ],
    [
      'distributed tables with known devices',
      { distributed: true, revocation: { feed: 'poll' }, devices: { recognise: true } },
      /"devices\.recognise" does not work with "distributed"/,
    ],
    [
      'distributed tables with a binding to the user agent',
      { distributed: true, revocation: { feed: 'poll' }, binding: { userAgent: 'refresh' } },
      /"binding\.userAgent" does not work with "distributed"/,
    ],
    [
      'an announcer that cannot listen',
      { revocation: { announcer: { announce: () => undefined } } },
      /"revocation\.announcer": write an instance of a subclass of RevocationAnnouncer/,
    ],
    [
      'a listenUrl from a variable that is not set',
      { revocation: { listenUrl: undefined } },
      /"revocation\.listenUrl" is present but undefined: set the environment variable/,
    ],
    [
      'an announcer that is undefined',
      { revocation: { announcer: undefined } },
      /"revocation\.announcer" is present but undefined: write an instance/,
    ],
    ['an empty issuer', { accessToken: { issuer: '' } }, /"accessToken\.issuer"/],
  ])('refuse %s', (_, options, message) => {
    expect(refusal({ secret: SECRET, ...options })).toMatch(message);
  });

  it.each<[string, SessionModuleOptions, RegExp]>([
    [
      'a leeway above half the access-token lifetime',
      { accessToken: { lifetime: '30s' }, session: { leeway: '16s' } },
      /"session\.leeway" must be at most half of "accessToken\.lifetime": shorten/,
    ],
    [
      'a jitter above half the access-token lifetime',
      { accessToken: { lifetime: '10m', jitter: '6m' } },
      /"accessToken\.jitter" must be at most half of "accessToken\.lifetime": shorten/,
    ],
    [
      'a jitter that leaves less than twice the leeway',
      { accessToken: { lifetime: '2m', jitter: '50s' }, session: { leeway: '40s' } },
      /"accessToken\.jitter" must leave each access token at least twice "session\.leeway": shorten/,
    ],
    [
      'a binding to addresses of which only the network is stored',
      { binding: { ip: 'refresh' }, devices: { ip: 'network' } },
      /"devices\.ip" must be 'full' with "binding\.ip"/,
    ],
    [
      'the default leeway with a short access token',
      { accessToken: { lifetime: '30s' } },
      /"session\.leeway" must be at most half of "accessToken\.lifetime": shorten/,
    ],
    [
      'a session shorter than its access tokens',
      { accessToken: { lifetime: '2h' }, session: { idleLifetime: '1h' } },
      /"session\.idleLifetime" must not be shorter than "accessToken\.lifetime"/,
    ],
    [
      'an absolute limit below the idle one',
      { session: { idleLifetime: '10d', absoluteLifetime: '9d' } },
      /"session\.absoluteLifetime" must not be shorter than "session\.idleLifetime": .*'none'/,
    ],
    [
      'a key published before its predecessor signs',
      { keys: { rotateEvery: '1h', publishAhead: '1h' } },
      /"keys\.publishAhead" must be shorter than "keys\.rotateEvery"/,
    ],
    [
      'bound sessions without Secure',
      { binding: { key: 'prefer' }, cookies: { secure: false } },
      /"binding\.key": browsers bind .*leave "cookies\.secure" at true/,
    ],
    [
      'bound sessions of short access tokens',
      { binding: { key: 'require' }, accessToken: { lifetime: '4m' } },
      /"binding\.key" needs "accessToken\.lifetime" of '5m' or more/,
    ],
    [
      'sessions of browsers that are bound to a key, whose access tokens a jitter makes short',
      { binding: { key: 'prefer' }, accessToken: { lifetime: '5m', jitter: '2m' } },
      /"binding\.key" needs "accessToken\.lifetime" of '5m' or more, with "accessToken\.jitter" taken off/,
    ],
    [
      'only bound sessions, with cookies that no browser binds',
      { binding: { key: 'require' }, cookies: { domain: 'example.com' } },
      /"binding\.key": 'require' refuses every browser where "cookies\.domain" is set.*or write 'prefer'/,
    ],
    [
      'SameSite=None without Secure',
      { cookies: { sameSite: 'none', secure: false } },
      /"cookies\.sameSite": browsers drop .*"cookies\.secure"/,
    ],
    [
      'an announcer in a mode without a feed',
      { revocation: { mode: 'strict', announcer: ANNOUNCER } },
      /"revocation\.announcer" and "revocation\.listenUrl" have a use in mode 'live' only/,
    ],
    [
      'a listenUrl and an announcer',
      { revocation: { listenUrl: 'postgres://database', announcer: ANNOUNCER } },
      /"revocation\.listenUrl" is for feed: 'notify' without an announcer/,
    ],
    [
      'a listenUrl for the feed that does not listen',
      { revocation: { listenUrl: 'postgres://database', feed: 'poll' } },
      /"revocation\.listenUrl" is for feed: 'notify'/,
    ],
    [
      'two cookies of one name',
      { cookies: { accessName: 'token', refreshName: 'token' } },
      /"cookies\.accessName" and "cookies\.refreshName" must differ/,
    ],
    [
      'a cookie named as one of the module',
      { cookies: { accessName: 'session_marker' } },
      /"cookies\.accessName" and "cookies\.refreshName": csrf_token, session_marker, session_bound, session_device are cookies of the module/,
    ],
  ])('refuse the contradiction of %s', (_, options, message) => {
    expect(refusal({ secret: SECRET, ...options })).toMatch(message);
  });

  it('accept a leeway of exactly half the access-token lifetime', () => {
    const { session } = resolved({
      secret: SECRET,
      accessToken: { lifetime: '30s' },
      session: { leeway: '15s' },
    });
    expect(session.leeway).toBe(15_000);
  });

  it('name every mistake at once', () => {
    const message = refusal({ secret: SECRET, transport: 'x', session: { leeway: 5 }, unknown: 1 });
    expect(message).toContain('"transport"');
    expect(message).toContain('"session.leeway"');
    expect(message).toContain('"unknown"');
  });

  it.each<[string, unknown]>([
    ['short', SHORT_SECRET],
    ['empty', ''],
    ['an empty list', []],
    ['a list with a short one', [SECRET, SHORT_SECRET]],
    ['a list with an undefined one', [SECRET, undefined]],
    ['a number', Number.MAX_SAFE_INTEGER],
    ["'database' before another one in a list", ['database', SECRET]],
  ])('refuse a secret that is %s, without repeating it', (_, secret) => {
    const message = refusal({ secret });
    expect(message).toMatch(/option "secret": write a random string of at least 32 bytes/);
    expect(message).not.toContain(SHORT_SECRET);
    expect(message).not.toContain(SECRET);
    expect(message).not.toContain(String(Number.MAX_SAFE_INTEGER));
  });

  it.each([[undefined], [null]])('refuse a secret that is present but %s: a missing environment variable', secret => {
    expect(refusal({ secret })).toMatch(/option "secret" is present but undefined: set the environment variable/);
  });

  it('the message of another mistake contains no secret', () => {
    expect(refusal({ secret: SECRET, [SECRET.slice(0, 3)]: SECRET })).not.toContain(SECRET);
  });

  it('count the bytes of a secret, not its characters', () => {
    expect(resolved({ secret: [SECRET, 'ä'.repeat(16)] }).secrets).toEqual([SECRET, 'ä'.repeat(16)]);
  });

  it('refuse a missing secret in production, and say both ways out', () => {
    const message = refusal({}, PRODUCTION);
    expect(message).toMatch(/option "secret" is missing and NODE_ENV is "production"/);
    expect(message).toContain('secret: process.env.SESSION_SECRET');
    expect(message).toContain("secret: 'database'");
  });

  it("accept secret: 'database' in production, and an own one", () => {
    expect(resolved({ secret: 'database' }, PRODUCTION).secrets).toEqual([]);
    expect(resolved({ secret: [SECRET, `${SECRET}-former`] }, PRODUCTION).secrets).toHaveLength(2);
  });

  it.each([
    ['database', [], true],
    [SECRET, [SECRET], false],
    [[SECRET, 'database'], [SECRET], true],
  ])('%j: own secrets, and whether the generated one counts', (secret, secrets, acceptsGeneratedSecret) => {
    expect(resolved({ secret })).toMatchObject({ secrets, acceptsGeneratedSecret });
  });

  it('take the default where a value is null', () => {
    const { accessToken, session, claims } = resolved({
      secret: SECRET,
      accessToken: { lifetime: null },
      session: null,
      claims: null,
    });
    expect(accessToken.lifetime).toBe(600_000);
    expect(session.absoluteLifetime).toBe(180 * 86_400_000);
    expect(claims).toBeUndefined();
  });

  it('are not changed, and share nothing with the defaults of another application', () => {
    const given = { secret: SECRET, cookies: { secure: false }, trustedOrigins: ['https://a.test'] };
    const before = structuredClone(given);
    expect(resolved(given).cookies.secure).toBe(false);
    expect(given).toEqual(before);
    expect(resolved({ secret: SECRET }).cookies.secure).toBe(true);
  });
});

describe('an application', () => {
  const environment = process.env.NODE_ENV;
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterEach(() => {
    process.env.NODE_ENV = environment;
  });
  afterAll(() => database.drop());

  const start = (options?: SessionModuleOptions) =>
    startApplication({ imports: [typeOrmOn(database), SessionModule.forRoot(options)] });
  // Refused before anything is asked of the database.
  const refused = (options: Unchecked) =>
    startApplication({ imports: [typeOrmOn(database), SessionModule.forRoot(options)], override: withoutDatabase });

  it('starts with forRoot() without arguments', async () => {
    const { app } = await start();
    expect({ ...app.get(ResolvedSessionOptions) }).toEqual(resolved());
    await app.close();
  });

  it('does not start with wrong options, and names each', async () => {
    const refusedStart = refused({ secret: SECRET, transport: 'x', session: { leeway: 5 }, unknown: 1 });
    await expect(refusedStart).rejects.toThrow(SessionOptionsError);
    const message = await refusalOf(refusedStart);
    for (const name of ['"transport"', '"session.leeway"', '"unknown"']) expect(message).toContain(name);
  });

  it('does not start in production without a secret', async () => {
    process.env.NODE_ENV = 'production';
    expect(await refusalOf(refused({}))).toContain('option "secret" is missing and NODE_ENV is "production"');
  });
});
