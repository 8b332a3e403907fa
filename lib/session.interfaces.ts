import type { EntityManager } from 'typeorm';
import type { Duration } from './common/duration.js';
import type { SessionClaims, SessionData, TokenTransport, UserSession } from './session.types.js';
import type { SessionExchange } from './http/exchange.js';

/** Joins the caller's transaction: what is written commits or rolls back with it. */
export interface TransactionOption {
  /** The entity manager of a running transaction on the module's data source. */
  manager?: EntityManager;
}

export interface LogInOptions extends TransactionOption {
  /** Request and response (`@Exchange()`): tokens are set as cookies and the session that the request carries is ended. */
  exchange?: SessionExchange;
  /** The client's address, where there is no exchange to tell it; needed with `binding.ip`. */
  ip?: string;
  /** The client's `User-Agent`, where there is no exchange to tell it; needed with `binding.userAgent`. */
  userAgent?: string;
  /** Goes into the access token, where the client and other services can read it. JSON, no registered names. */
  claims?: SessionClaims;
  /** Stays in the database. JSON. */
  data?: SessionData;
  /** Names the device in the list of devices, in place of its user agent; at most 255 characters. */
  label?: string;
  /** `false`: the cookies end with the browser, also after each refresh. Default `true`. */
  remember?: boolean;
  /**
   * How long this session lives without a refresh, where `session.idleLifetime` is too long; at least
   * `accessToken.lifetime`.
   */
  idleLifetime?: string;
  /** How long after its login this session ends, where `session.absoluteLifetime` is too long. */
  absoluteLifetime?: string;
  /** Whether the device is recognised, where the option `devices.recognise` says otherwise. Needs `exchange`. */
  recognise?: boolean;
  /** Overrides what the request asks for. */
  transport?: TokenTransport;
  /** Accepts a cross-site request: for OAuth and magic-link callbacks, which carry a proof of their own. */
  crossSite?: boolean;
}

/** The session of the person who impersonates somebody. */
export type Actor = Pick<UserSession, 'id' | 'userId' | 'actor' | 'boundBy'>;

/** What `logIn` takes, and what every impersonation should have. */
export interface ImpersonateOptions extends Omit<
  LogInOptions,
  'crossSite' | 'recognise' | 'remember' | 'idleLifetime' | 'absoluteLifetime'
> {
  /**
   * When the impersonation ends, such as `'15m'`; refreshing does not extend it. Default `30m`. It never outlives what is
   * left of the actor's session, nor that.
   */
  lifetime?: Duration;
  /** Why the actor impersonates the user, such as the number of a ticket: kept with the row and in the event; at most 255 characters. */
  reason?: string;
}

export interface ListOptions {
  /** Lists the sessions of those who impersonate the user as well. Default `false`. */
  impersonations?: boolean;
}

export interface LogOutOptions extends TransactionOption {
  /** Where given, the session's cookies are cleared on its response. */
  exchange?: SessionExchange;
  /** Ends the session only if it is this user's. */
  userId?: string;
  /** Kept with the row and in events; at most 64 characters. Default `logout`. */
  reason?: string;
}

export interface ForgetDevicesOptions extends TransactionOption {
  /** Forgets only the device that became known by the login of this session. */
  sessionId?: string;
  /** Forgets all devices but the one that has sent this request. */
  except?: SessionExchange;
}

/** A refresh token that did not come with a request. */
export interface RefreshRequest {
  refreshToken: string;
  /**
   * The last access token of the client, expired or not. It is read only where the database has lost commits, as after
   * a failover: the session then goes on.
   */
  accessToken?: string;
  ip?: string;
  userAgent?: string;
}
