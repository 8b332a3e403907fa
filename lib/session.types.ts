import { timeOfUuid } from './common/uuid.js';

/**
 * The claims that an access token carries beside the registered ones. Augment it to type `claims` everywhere:
 * `declare module 'nestjs-jwt-session' { interface SessionClaims { role: 'admin' | 'user' } }`
 */
export interface SessionClaims {
  [name: string]: unknown;
}

/** What `getData` and `setData` keep in the row, on the server only. Augmentable like `SessionClaims`. */
export interface SessionData {
  [name: string]: unknown;
}

/** Who impersonates a user, by which session of their own. */
export interface SessionActor {
  readonly userId: string;
  readonly sessionId: string;
}

/** The fields of a new `UserSession`. */
export interface SessionFields {
  readonly id: string;
  readonly userId: string;
  readonly claims: SessionClaims;
  readonly authenticatedAt: Date;
  readonly expiresAt: Date;
  readonly boundBy?: 'dbsc' | 'dpop';
  readonly actor?: SessionActor;
}

/**
 * The session of a user who is logged in, as the access token describes it: no query is needed to make one. One object
 * serves every request that brings the token, so it is frozen.
 */
export class UserSession {
  /** The session id (`sid`), a UUID. */
  readonly id: string;
  /** The user id (`sub`), exactly as it was given to `logIn`. */
  readonly userId: string;
  readonly claims: SessionClaims;
  /** Present where the session is bound to a key: a copy of its tokens is of no use without that. */
  declare readonly boundBy?: 'dbsc' | 'dpop';
  /**
   * Present in an impersonation: who acts as the user (`act`). `authenticatedAt` is the login of the actor then, and the
   * session ends with theirs.
   */
  declare readonly actor?: SessionActor;
  /** When the user logged in, or last proved who they are (`auth_time`). */
  declare readonly authenticatedAt: Date;
  /** When the session ends unless it is refreshed before. */
  declare readonly expiresAt: Date;
  // Numbers, because a Date can be changed even in a frozen object: each reader gets a Date of their own.
  readonly #authenticatedMs: number;
  readonly #expiresMs: number;

  /** Own properties: `ClassSerializerInterceptor` shows no getters of a prototype. */
  static readonly #DATES: PropertyDescriptorMap & ThisType<UserSession> = {
    authenticatedAt: {
      enumerable: true,
      get() {
        return new Date(this.#authenticatedMs);
      },
    },
    expiresAt: {
      enumerable: true,
      get() {
        return new Date(this.#expiresMs);
      },
    },
  };

  constructor({ id, userId, claims, authenticatedAt, expiresAt, boundBy, actor }: SessionFields) {
    this.id = id;
    this.userId = userId;
    this.claims = claims;
    if (boundBy) this.boundBy = boundBy;
    if (actor) this.actor = actor;
    this.#authenticatedMs = authenticatedAt.getTime();
    this.#expiresMs = expiresAt.getTime();
    Object.defineProperties(this, UserSession.#DATES);
  }

  /** When the session began, by the clock of the process that created it: the time within the session id. */
  get createdAt(): Date {
    return new Date(timeOfUuid(this.id));
  }

  toJSON() {
    const { id, userId, claims, boundBy, actor, createdAt, authenticatedAt, expiresAt } = this;
    return { id, userId, claims, boundBy, actor, createdAt, authenticatedAt, expiresAt };
  }
}

/** How the tokens reach the client: as cookies, or in the body for clients that keep them on their own. */
export type TokenTransport = 'cookie' | 'bearer';

/** The answer of `logIn` and `refresh`. Where cookies carry the tokens the three token fields are absent. */
export interface IssuedTokens {
  readonly session: UserSession;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  readonly accessToken?: string;
  /** Also absent where the client keeps the refresh token that it sent (RFC 6749, section 6). */
  readonly refreshToken?: string;
  /** How the access token is sent: `Authorization: <tokenType> <accessToken>`. `DPoP` asks for a proof beside it. */
  readonly tokenType?: 'Bearer' | 'DPoP';
  /**
   * After a login that recognises devices: true where the user has logged in before, but not on this device. False at the
   * user's first login.
   */
  readonly newDevice?: boolean;
  /** For bearer clients after such a login: kept beyond the log-out, and sent as `Session-Device` with the next login. */
  readonly deviceToken?: string;
}

/** One of a user's sessions, for a list of devices. */
export interface Device {
  readonly id: string;
  /** The label of the login; else one made from the user agent, where the package bowser is installed. */
  readonly label: string | null;
  readonly userAgent: string | null;
  readonly ip: string | null;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  /** How the session is bound to a key of the device, null where it is not. */
  readonly boundBy: 'dbsc' | 'dpop' | null;
  /** Who impersonates the user in this session, and why; null in a session of the user's own. */
  readonly actor: (SessionActor & { readonly reason: string | null }) | null;
}

/** A device on which a user has logged in and is recognised. */
export interface KnownDevice {
  /** The session by whose login the device became known. It may have ended. */
  readonly sessionId: string;
  /** The last login. */
  readonly lastSeenAt: Date;
}

/** A session with everything that is stored about its user. */
export interface SessionExport extends Device {
  readonly userId: string;
  readonly expiresAt: Date;
  /** When it was ended, or null. Rows of sessions that have ended are kept for a day. */
  readonly revokedAt: Date | null;
  readonly revokedReason: string | null;
  readonly claims: SessionClaims;
  readonly data: SessionData | null;
}

export interface CleanUpResult {
  /** Sessions that were removed, or would be. */
  readonly sessions: number;
  /** Known devices that were removed, or would be. */
  readonly devices: number;
  /** Retired signing keys that were removed, or would be. */
  readonly keys: number;
}

/** Health of the revocation feed. */
export interface RevocationStatus {
  /** `down` while the knowledge is older than `maxStaleness`: each session is checked in the database then (`live`). */
  readonly status: 'up' | 'down';
  readonly mode: 'live' | 'stateless' | 'strict';
  /** Whether notifications arrive (`live` with the feed `notify` or an announcer). */
  readonly listening: boolean;
  /** Milliseconds since the database was last asked with success (`live`). */
  readonly staleness: number;
}

/** How busy this process keeps the database. */
export interface LoadStatus {
  /** Logins, refreshes and checks of sessions that wait for the database. */
  readonly waiting: number;
  /** How many were refused since the start, because too many waited. */
  readonly refused: number;
}

/** The answer of `status()`, and of `SessionHealthIndicator` for @nestjs/terminus. */
export interface SessionStatus {
  /** `down` where the database does not answer or no key can sign. */
  readonly status: 'up' | 'down';
  readonly database: { readonly status: 'up' | 'down' };
  /** The `kid` that signs now, and how many keys still verify. */
  readonly keys: { readonly status: 'up' | 'down'; readonly signing?: string; readonly verifying: number };
  readonly revocation: RevocationStatus;
  readonly load: LoadStatus;
}
