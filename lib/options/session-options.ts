import { IsArray, IsBoolean, IsIn, IsInt, IsOptional, IsString, Matches, Min } from 'class-validator';
import type { CanActivate, Type } from '@nestjs/common';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { SessionClaims } from '../session.types.js';
import {
  IsClaimsHook,
  IsCookieName,
  IsDuration,
  IsOptionsObject,
  IsOrigin,
  IsSecret,
  IsSigningKey,
} from '../common/option-checks.js';
import { SERVER_SECRET_BYTES } from '../rules/server-keys.js';

// `accessToken`, `session`, … below: each option's default stands in `session-options.defaults.ts`, and only there.

/** The signature algorithms that generated keys can have (RFC 7518, section 3.1). */
export const GENERATED_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256'] as const;
export type GeneratedAlgorithm = (typeof GENERATED_ALGORITHMS)[number];

/** HS256 is for a secret that applications share, and that none of them can be told from another by. */
export const ALGORITHMS = [...GENERATED_ALGORITHMS, 'HS256'] as const;
export type AccessTokenAlgorithm = (typeof ALGORITHMS)[number];

/** The time in which a key signs. */
export interface SigningPeriod {
  readonly from: Date;
  readonly until: Date;
}

/**
 * A private key as PEM, JWK or `KeyObject`; for HS256 the shared secret, also as a string or `Buffer`. A JWK's `kid` is
 * kept, else it is the thumbprint.
 */
export type SigningKey = string | Buffer | JsonWebKey | KeyObject;

/** Answers with the key of a period: the same in every process, and from `keys.publishAhead` before the period. */
export type SigningKeyFunction = (period: SigningPeriod) => SigningKey | Promise<SigningKey>;

/** Who issues tokens, for whom, by which clock. */
export class TokenOriginOptions {
  /** The `iss` claim (RFC 7519, section 4.1.1), issued and then required. */
  @IsOptional()
  @IsString()
  @Matches(/^[^\0]+$/)
  issuer?: string;

  /** The `aud` claim (RFC 7519, section 4.1.3), issued and then required. */
  @IsOptional()
  @IsString()
  @Matches(/^[^\0]+$/)
  audience?: string;

  /** How far in the future `iat` may lie because clocks differ. `exp` is exact. */
  @IsDuration({ most: '60s' })
  clockTolerance?: string;
}

export class AccessTokenOptions extends TokenOriginOptions {
  /** How long an access token lives. At least `1s`. */
  @IsDuration({ least: '1s' })
  lifetime?: string;

  /** The signature algorithm of access tokens: `ES256`, `ES384`, `RS256`, `PS256`, or `HS256` with `keys.signingKey`. */
  @IsOptional()
  @IsIn(ALGORITHMS)
  algorithm?: AccessTokenAlgorithm;

  /**
   * `A256GCM` encrypts access tokens (JWE, RFC 7516, around the signed token) with a key derived from `secret`: nobody but
   * processes with that secret can read them, other services included.
   */
  @IsOptional()
  @IsIn(['off', 'A256GCM'])
  encryption?: 'off' | 'A256GCM';
}

export class SessionLifetimeOptions {
  /** A session that is not refreshed for so long has ended. Slides with every refresh. */
  @IsDuration({ least: '1s' })
  idleLifetime?: string;

  /** A session ends so long after its login, whatever happens; `'none'` for no such limit. */
  @IsDuration({ least: '1s', orNone: true })
  absoluteLifetime?: string;

  /**
   * How long after a rotation the token before it is still answered, so that tabs and retries under way meet no theft
   * alarm. `0s` to `120s`, at most half of `accessToken.lifetime`.
   */
  @IsDuration({ most: '120s' })
  leeway?: string;

  /** How many live sessions a user may have; no limit if left out. */
  @IsOptional()
  @IsInt({ message: 'write a whole number of 1 or more' })
  @Min(1, { message: 'write a whole number of 1 or more' })
  maxPerUser?: number;

  /** What a login beyond `maxPerUser` does: ends the user's oldest session, or is refused. */
  @IsOptional()
  @IsIn(['evict-oldest', 'reject'])
  onLimit?: 'evict-oldest' | 'reject';
}

export class KeyOptions {
  /** How long one key signs. At least `2s`. */
  @IsDuration({ least: '2s' })
  rotateEvery?: string;

  /** How long the next key stands in the JWKS before it signs. Shorter than `rotateEvery`. */
  @IsDuration({ least: '1s' })
  publishAhead?: string;

  /**
   * The application's own key in place of generated ones: one for good, or a function that is asked for the key of each
   * period of `rotateEvery`. Another key at the next start logs nobody out: clients refresh.
   */
  @IsSigningKey()
  signingKey?: SigningKey | SigningKeyFunction;
}

export class CookieOptions {
  /** The `Secure` attribute. Without it the cookie names lose their prefixes; for development on plain http only. */
  @IsOptional()
  @IsBoolean()
  secure?: boolean;

  /** `SameSite` of both cookies. By default Lax for the access token and Strict for the refresh token. */
  @IsOptional()
  @IsIn(['lax', 'strict', 'none'])
  sameSite?: 'lax' | 'strict' | 'none';

  /** The `Domain` attribute. It costs the access cookie its `__Host-` prefix. */
  @IsOptional()
  @IsString()
  @Matches(/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i, { message: "write a host name such as 'example.com'" })
  domain?: string;

  /** Name of the access-token cookie, without prefix. */
  @IsCookieName()
  accessName?: string;

  /** Name of the refresh-token cookie, without prefix. */
  @IsCookieName()
  refreshName?: string;

  /** `Path` of the refresh-token cookie; needed where a proxy strips a prefix. Default: where the controller is mounted. */
  @IsOptional()
  @Matches(/^\/[^;,\s]*$/, { message: "write an absolute path such as '/api/session'" })
  refreshPath?: string;
}

export class RevocationOptions {
  /**
   * `live`: what is ended is refused by every process within `maxStaleness`, and guarded requests make no query.
   * `strict`: a query per guarded request. `stateless`: access tokens live until they expire.
   */
  @IsOptional()
  @IsIn(['live', 'stateless', 'strict'])
  mode?: 'live' | 'stateless' | 'strict';

  /** How old a process's knowledge of what was ended may be (`live`). Within it the database is asked three times. */
  @IsDuration({ least: '1s', most: '10m' })
  maxStaleness?: string;

  /** How a process learns early of what others end: `notify`, or `poll` where LISTEN does not work (`live`). */
  @IsOptional()
  @IsIn(['notify', 'poll'])
  feed?: 'notify' | 'poll';
}

const BINDINGS = ['off', 'refresh', 'always'] as const;
export type BindingScope = (typeof BINDINGS)[number];

export class BindingOptions {
  /**
   * Ties tokens to the client's address: refresh tokens (`refresh`), or access tokens as well (`always`). Phones change
   * their address often.
   */
  @IsOptional()
  @IsIn(BINDINGS)
  ip?: BindingScope;

  /** Ties tokens to the `User-Agent` header, which changes when a browser is updated. */
  @IsOptional()
  @IsIn(BINDINGS)
  userAgent?: BindingScope;
}

/** The options of `SessionModule.forRoot` and of the factories of `SessionModule.forRootAsync`. */
export class SessionModuleOptions {
  /**
   * One or more server secrets of at least 32 bytes. The first seals private keys and derives refresh tokens, the others
   * still open what they made. Left out: generated and kept in the database, so that who reads the database can mint
   * tokens; with `NODE_ENV=production` that must be asked for by `'database'`.
   */
  @IsSecret(SERVER_SECRET_BYTES)
  secret?: string | string[];

  @IsOptionsObject(() => AccessTokenOptions)
  accessToken?: AccessTokenOptions;

  @IsOptionsObject(() => SessionLifetimeOptions)
  session?: SessionLifetimeOptions;

  @IsOptionsObject(() => KeyOptions)
  keys?: KeyOptions;

  @IsOptionsObject(() => RevocationOptions)
  revocation?: RevocationOptions;

  /** How tokens travel: `cookie`, `bearer`, or `both`, where the client asks for bearer at login. */
  @IsOptional()
  @IsIn(['cookie', 'bearer', 'both'])
  transport?: 'cookie' | 'bearer' | 'both';

  @IsOptionsObject(() => CookieOptions)
  cookies?: CookieOptions;

  /**
   * Protection of cookie-authenticated requests against other sites: by Fetch Metadata and `Origin`, by a token that the
   * page reads from a cookie and sends as a header, or both.
   */
  @IsOptional()
  @IsIn(['origin', 'token', 'both', 'off'])
  csrf?: 'origin' | 'token' | 'both' | 'off';

  /** Other origins whose pages may send unsafe requests with cookies, such as `https://admin.example.com`. */
  @IsOptional()
  @IsArray()
  @IsOrigin({ each: true })
  trustedOrigins?: string[];

  /** What a `fork` or a `stale` token ends: its session, or all sessions of the user. */
  @IsOptional()
  @IsIn(['revoke-session', 'revoke-user'])
  onTheft?: 'revoke-session' | 'revoke-user';

  @IsOptionsObject(() => BindingOptions)
  binding?: BindingOptions;

  /**
   * Asked at login and at each refresh; the answer replaces the claims, and `null` refuses and ends all of the user's
   * sessions. A function, or a provider class with `claimsFor`.
   */
  @IsClaimsHook()
  claims?: ClaimsFunction | Type<ClaimsProvider>;
}

/** Whose claims are asked for, and which they have at present. */
export interface ClaimsRequest {
  readonly userId: string;
  readonly sessionId: string;
  readonly claims: SessionClaims;
}

export type ClaimsFunction = (request: ClaimsRequest) => SessionClaims | null | Promise<SessionClaims | null>;

/** A provider that answers for the claims; taken from the application when it is first needed. */
export interface ClaimsProvider {
  claimsFor(request: ClaimsRequest): SessionClaims | null | Promise<SessionClaims | null>;
}

/** Options that must be known when the module is declared: given beside `useFactory`, never in its result. */
export interface SessionModuleExtras {
  /** Name of the TypeORM data source; the default one if left out. */
  dataSource?: string;
  /** Where refresh, log-out and the list of devices are mounted; `false` mounts nothing. */
  controller?: { path: string } | false;
  /** Where the public keys are served; `false` mounts nothing. */
  jwks?: { path: string } | false;
  /**
   * Lets other services ask whether an access token counts (`POST`, RFC 7662): mounted only if a guard says who may ask.
   * The path is `verify` under the controller's if left out.
   */
  verify?: { guard: Type<CanActivate>; path?: string };
  /** Whether the module's providers are visible everywhere. */
  isGlobal?: boolean;
}

/** What `useClass` and `useExisting` of `SessionModule.forRootAsync` name. */
export interface SessionOptionsFactory {
  createSessionOptions(): SessionModuleOptions | Promise<SessionModuleOptions>;
}
