import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { Duration } from '../common/duration.js';
import { Check, CheckDuration, matching, oneOf, type OptionCheck, pattern } from '../common/option-checks.js';
import { type Given, OptionGroup } from '../common/options.js';

/** The signature algorithms that generated keys can have (RFC 7518, section 3.1). */
export const GENERATED_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256'] as const;
export type GeneratedAlgorithm = (typeof GENERATED_ALGORITHMS)[number];

/** HS256 uses a secret shared by applications; it cannot tell them apart. */
export const ALGORITHMS = [...GENERATED_ALGORITHMS, 'HS256'] as const;
export type AccessTokenAlgorithm = (typeof ALGORITHMS)[number];

/** The time in which a key signs. */
export interface SigningPeriod {
  readonly from: Date;
  readonly until: Date;
}

/**
 * A private key as PEM, JWK or `KeyObject`; for HS256 the shared secret, also as a string or `Buffer`. The `kid` of a
 * JWK is kept; otherwise it is the thumbprint (RFC 7638).
 */
export type SigningKey = string | Buffer | JsonWebKey | KeyObject;

/** Returns the key of a period: the same in every process, and from `keys.publishAhead` before the period. */
export type SigningKeyFunction = (period: SigningPeriod) => SigningKey | Promise<SigningKey>;

/** The form of the key is checked when the algorithm is known. The message does not give away what was written. */
export const signingKey: OptionCheck = matching(
  value => (typeof value === 'string' && value !== '') || typeof value === 'function' || typeof value === 'object',
  'write a private key as a PEM, a JWK or a KeyObject, or a function that returns one',
);

export const issuer = pattern(/^[^\0]+$/, 'write the name of the issuer');
export const audience = pattern(/^[^\0]+$/, 'write the name of the audience');

/** Who issues tokens, for whom, by which clock. */
export class TokenIssueSettings extends OptionGroup {
  /** The `iss` claim (RFC 7519, section 4.1.1), issued and then required. */
  @Check(issuer)
  issuer?: string;

  /** The `aud` claim (RFC 7519, section 4.1.3), issued and then required. */
  @Check(audience)
  audience?: string;

  /** How far in the future `iat` may lie because clocks differ, at most `60s`. `exp` is exact. */
  @CheckDuration({ max: '60s' })
  clockTolerance: Duration = '5s';
}

export class AccessTokenSettings extends TokenIssueSettings {
  /** How long an access token lives. At least `1s`. */
  @CheckDuration({ min: '1s' })
  lifetime: Duration = '10m';

  /**
   * Each access token lives shorter than `lifetime` by a random time up to this one, so that clients which got theirs at
   * the same moment, as after a deployment, do not all refresh at the same moment. At most half of `lifetime`.
   */
  @CheckDuration()
  jitter: Duration = '0s';

  /**
   * The signature algorithm of access tokens: `ES256`, `ES384`, `RS256`, `PS256`, or `HS256` with `keys.signingKey`.
   */
  @Check(oneOf(ALGORITHMS))
  algorithm: AccessTokenAlgorithm = 'ES256';

  /**
   * `A256GCM` encrypts access tokens (JWE, RFC 7516, around the signed token) with a key derived from `secret`. Only
   * processes with that secret can read them, which excludes other services.
   */
  @Check(oneOf(['off', 'A256GCM']))
  encryption: 'off' | 'A256GCM' = 'off';
}

export class KeySettings extends OptionGroup {
  /** How long one key signs. At least `2s`. */
  @CheckDuration({ min: '2s' })
  rotateEvery: Duration = '7d';

  /** How long the next key is published in the JWK Set before it signs. Shorter than `rotateEvery`. */
  @CheckDuration({ min: '1s' })
  publishAhead: Duration = '1h';

  /**
   * The application's own key instead of generated ones: one key for all time, or a function that returns the key of
   * each period of `rotateEvery`. A different key at the next start logs no user out: clients refresh.
   */
  @Check(signingKey)
  signingKey?: SigningKey | SigningKeyFunction;
}

export interface AccessTokenOptions extends Given<AccessTokenSettings> {}
export interface KeyOptions extends Given<KeySettings> {}
