import type { Abstract, Type } from '@nestjs/common';
import type { Duration } from '../common/duration.js';
import {
  aFunction,
  Check,
  CheckDuration,
  CheckGroup,
  matching,
  oneOf,
  pattern,
  secrets,
  trueOrFalse,
  wholeNumber,
} from '../common/option-checks.js';
import { type Given, OptionGroup } from '../common/options.js';
import { SERVER_SECRET_BYTES } from '../rules/server-keys.js';
import type { OnTheft } from '../rules/theft.js';
import type { SessionActor, SessionClaims } from '../session.types.js';
import { KeyBindingSettings } from './key-binding-options.js';
import type { RevocationAnnouncer } from './revocation-announcer.js';
import { AccessTokenSettings, KeySettings } from './token-options.js';
import { TransportSettings } from './transport-options.js';

class SessionLifetimeSettings extends OptionGroup {
  /** A session ends when it was not refreshed for this time. At least `accessToken.lifetime`. */
  @CheckDuration({ min: '1s' })
  idleLifetime: Duration = '30d';

  /** A session ends this long after its login, even if it is in use; `'none'` for no such limit. */
  @CheckDuration({ min: '1s', orNone: true })
  absoluteLifetime: Duration | 'none' = '180d';

  /**
   * How long after a rotation the previous refresh token is still answered, so that several tabs and retries raise no
   * theft alarm. `0s`, or `1s` to `120s`; at most half of `accessToken.lifetime`. A refresh that is carried out later than
   * a third of it changes nothing, so that a shorter leeway would refuse honest requests.
   */
  @CheckDuration({ min: '1s', max: '120s', orZero: true })
  leeway: Duration = '30s';

  /** How many live sessions a user may have. Default: no limit. */
  @Check(wholeNumber(1))
  maxPerUser?: number;

  /** What a login beyond `maxPerUser` does: end the user's oldest session, or fail. */
  @Check(oneOf(['evict-oldest', 'reject']))
  onLimit: 'evict-oldest' | 'reject' = 'evict-oldest';

  /**
   * The routes that end other sessions (`logout-others`, `logout-all` and `DELETE devices/:id`) ask for a login within
   * this time, so that a stolen access token cannot log its owner out elsewhere (ASVS 5.0, 7.5.2). Default: any login.
   */
  @CheckDuration({ min: '1s' })
  recentLogin?: Duration;
}

class RevocationSettings extends OptionGroup {
  /**
   * `live`: every process refuses a revoked session within `maxStaleness`, and guarded requests make no query.
   * `strict`: one query per guarded request. `stateless`: access tokens live until they expire.
   */
  @Check(oneOf(['live', 'stateless', 'strict']))
  mode: 'live' | 'stateless' | 'strict' = 'live';

  /** How old a process's knowledge of revoked sessions may be (`live`). It asks the database three times within it. */
  @CheckDuration({ min: '1s', max: '10m' })
  maxStaleness: Duration = '30s';

  /** How a process learns early of what others revoke (`live`): `notify`, or `poll` where LISTEN does not work. */
  @Check(oneOf(['notify', 'poll']))
  feed: 'notify' | 'poll' = 'notify';

  /**
   * The URL of a connection that LISTENs, past a pooler in transaction mode that the data source leads to (`live` with
   * the feed `notify`). It must lead to the same database. No statement is prepared then.
   */
  @Check(pattern(/^postgres(ql)?:\/\/./, 'write a URL that begins with postgres://'))
  listenUrl?: string;

  /**
   * Announces revocations in place of NOTIFY, such as `RedisAnnouncer` (`live`). `feed: 'poll'` beside it says only that
   * the data source leads to a pooler in transaction mode, so that nothing is prepared.
   */
  @Check(matching(isAnnouncer, 'write an instance of a subclass of RevocationAnnouncer'))
  announcer?: RevocationAnnouncer;
}

/** By its methods: the class of another copy of the package is as good. */
function isAnnouncer(value: unknown): boolean {
  const { announce, listen } = Object(value) as { announce?: unknown; listen?: unknown };
  return typeof announce === 'function' && typeof listen === 'function';
}

class OverloadSettings extends OptionGroup {
  /**
   * How long a login, a refresh or a check of a session may wait for the database. What would wait longer is refused at
   * once (503), because its client would have given up before the answer. `'none'` refuses nothing.
   */
  @CheckDuration({ min: '100ms', orNone: true })
  maxWait: Duration | 'none' = '2s';
}

const BINDINGS = ['off', 'refresh', 'always'] as const;
export type BindingScope = (typeof BINDINGS)[number];

class BindingSettings extends OptionGroup {
  /**
   * Binds tokens to the client's address: refresh tokens (`refresh`), or access tokens as well (`always`). Phones
   * change their address often.
   */
  @Check(oneOf(BINDINGS))
  ip: BindingScope = 'off';

  /** Binds tokens to the `User-Agent` header, which changes when a browser is updated. */
  @Check(oneOf(BINDINGS))
  userAgent: BindingScope = 'off';

  /**
   * Binds sessions to a key that the client proves to hold, so that a copy of its tokens is of no use: browsers by DBSC,
   * bearer clients by DPoP (RFC 9449). `prefer` binds those that can, `require` refuses the others. `off` binds no new
   * session; those that are bound stay so.
   */
  @Check(oneOf(['off', 'prefer', 'require']))
  key: 'off' | 'prefer' | 'require' = 'off';
}

class DeviceSettings extends OptionGroup {
  /**
   * What is stored of the client's address: all of it, with `network` the first 24 bits of an IPv4 address or the first
   * 48 of an IPv6 one, or nothing. Holds for sessions that begin with it. `binding.ip` needs `full`.
   */
  @Check(oneOf(['full', 'network', 'none']))
  ip: 'full' | 'network' | 'none' = 'full';

  /**
   * What is stored of the `User-Agent` header: the text, which the list of devices shows; with `label` what people read
   * of it, such as "Firefox on Linux" (needs the package bowser); or nothing. Holds for sessions that begin with it.
   * `binding.userAgent` works with each.
   */
  @Check(oneOf(['full', 'label', 'none']))
  userAgent: 'full' | 'label' | 'none' = 'full';

  /**
   * Whether a login recognises the device, so that `session.created` and `logIn` say whether it is a new one for the user:
   * browsers by a cookie of a year, bearer clients by the token that they send as `Session-Device`. Stores a hash for each
   * user and device. A login can ask for it, or do without, by its own `recognise`.
   */
  @Check(trueOrFalse())
  recognise = false;
}

/** The options of `SessionModule`, with their defaults. */
export class SessionSettings extends TransportSettings {
  /**
   * One or more server secrets of at least 32 bytes. The first one encrypts private keys and derives refresh tokens;
   * the others still read what they made. Default: a generated secret in the database, so that anybody who can read the
   * database can create tokens; with `NODE_ENV=production` that requires the value `'database'`. `[own, 'database']`
   * accepts refresh tokens of the generated secret after an own one has replaced it.
   */
  @Check(value => (value === 'database' ? undefined : secrets(SERVER_SECRET_BYTES, 'database')(value)))
  secret?: string | string[];

  @CheckGroup()
  accessToken = new AccessTokenSettings();

  @CheckGroup()
  session = new SessionLifetimeSettings();

  @CheckGroup()
  keys = new KeySettings();

  @CheckGroup()
  revocation = new RevocationSettings();

  /** What a `fork` or a `stale` token ends: its session, or all sessions of the user. */
  @Check(oneOf(['revoke-session', 'revoke-user']))
  onTheft: OnTheft = 'revoke-session';

  @CheckGroup()
  binding = new BindingSettings();

  @CheckGroup()
  keyBinding = new KeyBindingSettings();

  @CheckGroup()
  devices = new DeviceSettings();

  @CheckGroup()
  overload = new OverloadSettings();

  /**
   * Whether an engine such as Citus distributes the tables over several machines by their column `bucket`. Each statement
   * is then about the rows of one bucket, and none is shared by requests.
   */
  @Check(trueOrFalse())
  distributed = false;

  /**
   * Metrics and spans by OpenTelemetry (needs the package @opentelemetry/api). Its SDK must start before the application.
   */
  @Check(trueOrFalse())
  telemetry = false;

  /**
   * Asked at login and at each refresh. The result replaces the claims; `null` refuses the user and ends all of the
   * user's sessions. A function, or the class of a provider with `claimsFor`, which must not be request-scoped.
   * Where it does not answer within ten seconds the request is refused with 503.
   */
  @Check(aFunction('write a function, or a provider class with a method claimsFor'))
  claims?: ClaimsFunction | Type<ClaimsProvider> | Abstract<ClaimsProvider>;
}

/** The user whose claims are asked for, and the present claims of the session. */
export interface ClaimsRequest {
  readonly userId: string;
  /** During `reauthenticate` the session that is about to be replaced. */
  readonly sessionId: string;
  readonly claims: SessionClaims;
  /** Who impersonates the user; absent in a session of the user's own. */
  readonly actor?: SessionActor;
}

export type ClaimsFunction = (request: ClaimsRequest) => SessionClaims | null | Promise<SessionClaims | null>;

/** A provider of the application that returns the claims. It may inject `SessionService`. */
export interface ClaimsProvider {
  claimsFor(request: ClaimsRequest): SessionClaims | null | Promise<SessionClaims | null>;
}

export interface SessionLifetimeOptions extends Given<SessionLifetimeSettings> {}
export interface RevocationOptions extends Given<RevocationSettings> {}
export interface OverloadOptions extends Given<OverloadSettings> {}
export interface BindingOptions extends Given<BindingSettings> {}
export interface DeviceOptions extends Given<DeviceSettings> {}

/** The options of `SessionModule.forRoot` and of the factories of `SessionModule.forRootAsync`. */
export interface SessionModuleOptions extends Given<SessionSettings> {}

/** Implemented by the classes of `useClass` and `useExisting` of `SessionModule.forRootAsync`. */
export interface SessionOptionsFactory {
  createSessionOptions(): SessionModuleOptions | Promise<SessionModuleOptions>;
}
