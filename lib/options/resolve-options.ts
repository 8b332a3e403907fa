import { DEFAULT_EXTRAS, DEFAULTS } from './session-options.defaults.js';
import { defined } from '../common/without-undefined.js';
import { parseDuration } from '../common/duration.js';
import { findOptionMistakes } from '../common/option-checks.js';
import {
  type AccessTokenAlgorithm,
  type BindingScope,
  SessionModuleOptions,
  type SigningKey,
  type SigningKeyFunction,
} from './session-options.js';

/** The options with every default filled in. Durations are milliseconds. */
export class ResolvedSessionOptions {
  /** The application's own server secrets, the newest first; empty where the database keeps a generated one. */
  readonly secrets!: readonly string[];
  readonly accessToken!: {
    readonly lifetime: number;
    readonly algorithm: AccessTokenAlgorithm;
    readonly issuer?: string;
    readonly audience?: string;
    readonly clockTolerance: number;
    readonly encryption: 'off' | 'A256GCM';
  };
  readonly session!: {
    readonly idleLifetime: number;
    /** Null for no cap. */
    readonly absoluteLifetime: number | null;
    readonly leeway: number;
    readonly maxPerUser?: number;
    readonly onLimit: 'evict-oldest' | 'reject';
  };
  readonly keys!: {
    readonly rotateEvery: number;
    readonly publishAhead: number;
    readonly signingKey?: SigningKey | SigningKeyFunction;
  };
  readonly revocation!: {
    readonly mode: 'live' | 'stateless' | 'strict';
    readonly maxStaleness: number;
    readonly feed: 'notify' | 'poll';
  };
  readonly transport!: 'cookie' | 'bearer' | 'both';
  readonly cookies!: {
    readonly secure: boolean;
    readonly sameSite?: 'lax' | 'strict' | 'none';
    readonly domain?: string;
    readonly accessName: string;
    readonly refreshName: string;
    readonly refreshPath?: string;
  };
  readonly csrf!: 'origin' | 'token' | 'both' | 'off';
  readonly trustedOrigins!: readonly string[];
  readonly onTheft!: 'revoke-session' | 'revoke-user';
  readonly binding!: { readonly ip: BindingScope; readonly userAgent: BindingScope };
  readonly claims?: SessionModuleOptions['claims'];
}

/** Thrown at start for options that cannot work; the message names the option and says what to write. */
export class SessionOptionsError extends Error {
  override readonly name = 'SessionOptionsError';

  constructor(mistakes: readonly string[], module = 'SessionModule') {
    super(`${module} cannot start:\n${mistakes.map(mistake => `  - ${mistake}`).join('\n')}`);
  }
}

const STATIC_OPTIONS = ['dataSource', 'verify', ...Object.keys(DEFAULT_EXTRAS)];

/**
 * Checks the options and fills in the defaults.
 *
 * @throws SessionOptionsError naming every option that is wrong
 */
export function resolveOptions(
  options: SessionModuleOptions | undefined,
  environment: Record<string, string | undefined>,
): ResolvedSessionOptions {
  const given: SessionModuleOptions = options ?? {};
  const statics = STATIC_OPTIONS.filter(name => name in given);
  if (statics.length > 0) {
    throw new SessionOptionsError(
      statics.map(
        name =>
          `option "${name}" is static: write it beside useFactory, as in forRootAsync({ ${name}: …, useFactory }), not in its result`,
      ),
    );
  }
  const mistakes = [
    ...findOptionMistakes(SessionModuleOptions, given),
    ...findMissingSecret(given, environment),
    ...findMissingKey(given),
  ];
  if (mistakes.length > 0) throw new SessionOptionsError(mistakes);
  const resolved = fillIn(given);
  const contradictions = findContradictions(resolved);
  if (contradictions.length > 0) throw new SessionOptionsError(contradictions);
  return resolved;
}

function findMissingSecret(given: SessionModuleOptions, environment: Record<string, string | undefined>): string[] {
  // Present but undefined is a missing environment variable, not a wish for a generated secret.
  if ('secret' in given && (given.secret === undefined || given.secret === null)) {
    return [
      'option "secret" is present but undefined: set the environment variable it is read from, or leave the option out to have a secret generated (not with NODE_ENV=production)',
    ];
  }
  if (given.secret === undefined && environment.NODE_ENV === 'production') {
    return [
      'option "secret" is missing and NODE_ENV is "production": write secret: process.env.SESSION_SECRET with at least 32 random bytes, or secret: \'database\' to accept that who reads the database can mint tokens',
    ];
  }
  return [];
}

function findMissingKey({ keys }: SessionModuleOptions): string[] {
  if (!keys || !('signingKey' in keys) || (keys.signingKey !== undefined && keys.signingKey !== null)) return [];
  return [
    'option "keys.signingKey" is present but undefined: set the environment variable it is read from, or leave the option out to have keys generated',
  ];
}

/** The options with their defaults, unchecked. */
export function fillIn(given: SessionModuleOptions): ResolvedSessionOptions {
  const accessToken = { ...DEFAULTS.accessToken, ...defined(given.accessToken) };
  const session = { ...DEFAULTS.session, ...defined(given.session) };
  const keys = { ...DEFAULTS.keys, ...defined(given.keys) };
  const revocation = { ...DEFAULTS.revocation, ...defined(given.revocation) };
  const secrets = given.secret === undefined || given.secret === 'database' ? [] : [given.secret].flat();
  return {
    secrets,
    accessToken: {
      ...accessToken,
      lifetime: parseDuration(accessToken.lifetime)!,
      clockTolerance: parseDuration(accessToken.clockTolerance)!,
    },
    session: {
      idleLifetime: parseDuration(session.idleLifetime)!,
      absoluteLifetime: session.absoluteLifetime === 'none' ? null : parseDuration(session.absoluteLifetime)!,
      leeway: parseDuration(session.leeway)!,
      maxPerUser: session.maxPerUser,
      onLimit: session.onLimit,
    },
    keys: {
      rotateEvery: parseDuration(keys.rotateEvery)!,
      publishAhead: parseDuration(keys.publishAhead)!,
      signingKey: keys.signingKey,
    },
    revocation: { ...revocation, maxStaleness: parseDuration(revocation.maxStaleness)! },
    transport: given.transport ?? DEFAULTS.transport,
    cookies: { ...DEFAULTS.cookies, ...defined(given.cookies) },
    csrf: given.csrf ?? DEFAULTS.csrf,
    trustedOrigins: given.trustedOrigins ?? DEFAULTS.trustedOrigins,
    onTheft: given.onTheft ?? DEFAULTS.onTheft,
    binding: { ...DEFAULTS.binding, ...defined(given.binding) },
    claims: given.claims,
  };
}

function findContradictions({ accessToken, session, keys, cookies }: ResolvedSessionOptions): string[] {
  const rules: [broken: boolean, mistake: string][] = [
    [
      session.leeway > accessToken.lifetime / 2,
      'option "session.leeway" must be at most half of "accessToken.lifetime": shorten the leeway or lengthen the access token',
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
      accessToken.algorithm === 'HS256' && keys.signingKey === undefined,
      'option "accessToken.algorithm": HS256 is for a secret that applications share: write keys: { signingKey: process.env.SHARED_SECRET }, or take an algorithm with generated keys, such as ES256',
    ],
    [
      cookies.sameSite === 'none' && !cookies.secure,
      'option "cookies.sameSite": browsers drop SameSite=None cookies without Secure: leave "cookies.secure" at true',
    ],
    [cookies.accessName === cookies.refreshName, 'options "cookies.accessName" and "cookies.refreshName" must differ'],
  ];
  return rules.filter(([broken]) => broken).map(([, mistake]) => mistake);
}
