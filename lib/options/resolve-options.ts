import { mistakesIn, type OptionRule, refuseMistakes } from '../common/option-mistakes.js';
import { fillIn, optionsToken, type Resolved, resolve } from '../common/options.js';
import { refuseStaticOptions } from '../common/static-options.js';
import { BOUND_COOKIE, CSRF_COOKIE, DEVICE_COOKIE, MARKER_COOKIE } from '../session.constants.js';
import { type SessionModuleOptions, SessionSettings } from './session-options.js';
import { StaticSessionSettings } from './static-options.js';

type Environment = Record<string, string | undefined>;

/** The options with every default filled in. Durations are milliseconds; `absoluteLifetime` is null for no limit. */
export abstract class ResolvedSessionOptions extends optionsToken<Omit<Resolved<SessionSettings>, 'secret'>>() {
  /** The application's own server secrets, the newest first; empty where the database holds a generated one. */
  declare readonly secrets: readonly string[];
  /** Whether the generated secret in the database counts: alone, or for refresh tokens beside own secrets. */
  declare readonly acceptsGeneratedSecret: boolean;
}

const MODULE = 'SessionModule';

/** Names the generated secret in option `secret`. */
const DATABASE = 'database';

/**
 * Checks the options and fills in the defaults.
 *
 * @throws SessionOptionsError that names every wrong option
 */
export function resolveOptions(
  given: SessionModuleOptions | undefined,
  environment: Environment,
): ResolvedSessionOptions {
  const written = given ?? {};
  refuseStaticOptions(MODULE, StaticSessionSettings, written);
  const settings = fillIn(SessionSettings, written);
  refuseMistakes(MODULE, missingOptions(written, environment), mistakesIn(settings));
  const options = resolveSettings(settings);
  refuseMistakes(MODULE, contradictions(options));
  return options;
}

/** Expects settings that were checked. */
export function resolveSettings(settings: SessionSettings): ResolvedSessionOptions {
  const { secret, ...options } = resolve(settings);
  const given = [secret ?? DATABASE].flat();
  const secrets = given.filter(one => one !== DATABASE);
  return { ...options, secrets, acceptsGeneratedSecret: secrets.length < given.length };
}

function missingOptions(given: SessionModuleOptions, environment: Environment): OptionRule[] {
  return [
    [
      isUnset(given, 'secret'),
      'option "secret" is present but undefined: set the environment variable it is read from, or leave the option out to have a secret generated (not with NODE_ENV=production)',
    ],
    [
      !('secret' in given) && environment.NODE_ENV === 'production',
      'option "secret" is missing and NODE_ENV is "production": write secret: process.env.SESSION_SECRET with at least 32 random bytes, or secret: \'database\' to accept that anybody who can read the database can create tokens',
    ],
    [
      isUnset(given.revocation, 'listenUrl'),
      'option "revocation.listenUrl" is present but undefined: set the environment variable it is read from, or leave the option out to LISTEN on a connection of the data source',
    ],
    [
      isUnset(given.revocation, 'announcer'),
      'option "revocation.announcer" is present but undefined: write an instance of a subclass of RevocationAnnouncer, or leave the option out to use NOTIFY',
    ],
    [
      isUnset(given.keys, 'signingKey'),
      'option "keys.signingKey" is present but undefined: set the environment variable it is read from, or leave the option out to have keys generated',
    ],
  ];
}

/** Whether an option is present but has no value, as one that is read from a variable that is not set. */
export function isUnset(options: object | undefined, name: string): boolean {
  const given = (options ?? {}) as Record<string, unknown>;
  return name in given && (given[name] ?? undefined) === undefined;
}

const MIN_BOUND_LIFETIME_MS = 300_000;
const OWN_COOKIES = [CSRF_COOKIE, MARKER_COOKIE, BOUND_COOKIE, DEVICE_COOKIE];

function contradictions(options: ResolvedSessionOptions): OptionRule[] {
  const { accessToken, session, keys, cookies, revocation } = options;
  // Browsers, which sessions in cookies are for, prove keys by DBSC.
  const bindsBrowsers = options.binding.key !== 'off' && options.transport !== 'bearer';
  return [
    [
      accessToken.jitter > accessToken.lifetime / 2,
      'option "accessToken.jitter" must be at most half of "accessToken.lifetime": shorten it or lengthen the access token',
    ],
    [
      session.leeway > accessToken.lifetime / 2,
      'option "session.leeway" must be at most half of "accessToken.lifetime": shorten the leeway or lengthen the access token',
    ],
    [
      session.leeway <= accessToken.lifetime / 2 && session.leeway > (accessToken.lifetime - accessToken.jitter) / 2,
      'option "accessToken.jitter" must leave each access token at least twice "session.leeway": shorten the jitter or the leeway, or lengthen the access token',
    ],
    [
      session.idleLifetime < accessToken.lifetime,
      'option "session.idleLifetime" must not be shorter than "accessToken.lifetime": a session must outlive its access tokens',
    ],
    [
      session.absoluteLifetime !== null && session.absoluteLifetime < session.idleLifetime,
      'option "session.absoluteLifetime" must not be shorter than "session.idleLifetime": lengthen it, shorten the idle lifetime, or write \'none\'',
    ],
    [
      keys.publishAhead >= keys.rotateEvery,
      'option "keys.publishAhead" must be shorter than "keys.rotateEvery": a key is published within the period before its own',
    ],
    [
      revocation.mode !== 'live' && (revocation.announcer ?? revocation.listenUrl) !== undefined,
      'options "revocation.announcer" and "revocation.listenUrl" have a use in mode \'live\' only: write mode: \'live\', or leave them out',
    ],
    [
      revocation.listenUrl !== undefined && (revocation.feed === 'poll' || revocation.announcer !== undefined),
      'option "revocation.listenUrl" is for feed: \'notify\' without an announcer: leave it out, or leave out "revocation.feed" and "revocation.announcer"',
    ],
    [
      accessToken.algorithm === 'HS256' && keys.signingKey === undefined,
      'option "accessToken.algorithm": HS256 needs a secret that applications share: write keys: { signingKey: process.env.SHARED_SECRET }, or choose an algorithm with generated keys, such as ES256',
    ],
    [
      options.binding.ip !== 'off' && options.devices.ip !== 'full',
      "option \"devices.ip\" must be 'full' with \"binding.ip\", which compares whole addresses: write devices: { ip: 'full' }, or binding: { ip: 'off' }",
    ],
    [
      cookies.sameSite === 'none' && !cookies.secure,
      'option "cookies.sameSite": browsers drop SameSite=None cookies without Secure: leave "cookies.secure" at true',
    ],
    [
      bindsBrowsers && !cookies.secure,
      'option "binding.key": browsers bind sessions only over https: leave "cookies.secure" at true, or write transport: \'bearer\' for an application without cookies',
    ],
    [
      bindsBrowsers && options.binding.key === 'require' && cookies.domain !== undefined,
      'option "binding.key": \'require\' refuses every browser where "cookies.domain" is set, because browsers bind the cookies of one host alone: leave "cookies.domain" out, or write \'prefer\'',
    ],
    [
      bindsBrowsers && accessToken.lifetime - accessToken.jitter < MIN_BOUND_LIFETIME_MS,
      'option "binding.key" needs "accessToken.lifetime" of \'5m\' or more, with "accessToken.jitter" taken off: browsers prove the key before every request where less than two minutes of the cookie are left',
    ],
    [
      options.distributed &&
        revocation.mode === 'live' &&
        revocation.feed === 'notify' &&
        revocation.announcer === undefined,
      'option "distributed": a notification reaches only the processes that listen on the machine of its row, and a transaction over two machines cannot send one: write revocation: { feed: \'poll\' }, or an announcer',
    ],
    [
      options.distributed && options.devices.recognise,
      'option "devices.recognise" does not work with "distributed": leave it out',
    ],
    [
      options.distributed && options.binding.userAgent !== 'off',
      'option "binding.userAgent" does not work with "distributed": leave it out, or bind sessions to keys with binding: { key: \'prefer\' }',
    ],
    [cookies.accessName === cookies.refreshName, 'options "cookies.accessName" and "cookies.refreshName" must differ'],
    [
      OWN_COOKIES.some(name => name === cookies.accessName || name === cookies.refreshName),
      `options "cookies.accessName" and "cookies.refreshName": ${OWN_COOKIES.join(', ')} are cookies of the module: write other names`,
    ],
  ];
}
