import { Knowledge, type LearnedFrom } from './knowledge.js';
import type { FactKind, RevocationLog } from './revocation-log.js';

/** The values of an access token that decide whether it was revoked. */
export interface RevocationKeys {
  readonly sessionId: string;
  readonly userId: string;
  /** The user's access version at issue. */
  readonly accessVersion: number;
  /** The session's token version at issue; changing the claims of the session raises it. */
  readonly tokenVersion: number;
  /** Who impersonates the user: the token counts only while the actor's own does. */
  readonly actor?: TokenActor;
}

/** The actor of an impersonation, as its access tokens name them. */
export interface TokenActor {
  readonly userId: string;
  readonly sessionId: string;
  /** The actor's access version at issue. */
  readonly accessVersion: number;
}

/** Revocations: as committed, as notified, or as read from the database. */
export interface Announcement {
  readonly sessions?: readonly EndedSession[];
  /** Users whose access tokens below a version were invalidated. */
  readonly users?: readonly RaisedVersion[];
  /** Sessions whose claims were changed: access tokens below a version are out of date. */
  readonly claims?: readonly RaisedVersion[];
  readonly keys?: readonly string[];
}

export interface EndedSession {
  readonly id: string;
  readonly reason: string;
  /** Milliseconds since the session ended, by the database's clock; in polls only. */
  readonly age?: number;
}

export interface RaisedVersion {
  readonly id: string;
  readonly version: number;
  /** Milliseconds since the version was raised, by the database's clock; in polls only. */
  readonly age?: number;
}

export interface RevocationsByKind {
  readonly sessions: readonly EndedSession[];
  readonly users: readonly RaisedVersion[];
  readonly claims: readonly RaisedVersion[];
}

/** A poll may miss what is about as old as what it reads back to: clocks and delays differ. */
const REPEAT_MARGIN_MS = 60_000;

/**
 * The revocations of the last span, in memory: a guarded request asks here instead of the database. Older ones concern
 * no valid access token, so memory is bounded by the revocations of one span, and by the hints that `Knowledge` keeps.
 *
 * Times are those of a monotonic clock, so that setting the wall clock forgets nothing.
 */
export class RevocationState {
  private readonly sessions: Knowledge<string>;
  private readonly users: Knowledge<number>;
  private readonly claims: Knowledge<number>;
  private polls = 0;

  /**
   * @param span milliseconds for which an access token can outlive its revocation; a change counts for later news
   * @param log gets each fact, but no hints
   */
  constructor(
    public span: number,
    log?: RevocationLog,
  ) {
    const logged = (kind: FactKind) =>
      log && ((id: string, value: string | number, at: number) => log.append({ kind, id, value, at }));
    // The first reason of a session counts, and the highest version of a user or of claims.
    this.sessions = new Knowledge<string>(() => false, logged('sessions'));
    this.users = new Knowledge<number>(isHigher, logged('users'));
    this.claims = new Knowledge<number>(isHigher, logged('claims'));
  }

  /**
   * Adds what ended.
   *
   * @returns the sessions that were not known to have ended
   */
  merge({ sessions = [], users = [], claims = [] }: Announcement, now: number, from: LearnedFrom = 'commit'): string[] {
    for (const known of [this.sessions, this.users, this.claims]) known.forget(now);
    const learning = { from, now, span: this.span, poll: this.polls };
    const news = sessions.filter(({ id, reason, age }) => this.sessions.learn(id, reason, learning, age));
    for (const { id, version, age } of users) this.users.learn(id, version, learning, age);
    for (const { id, version, age } of claims) this.claims.learn(id, version, learning, age);
    return news.map(({ id }) => id);
  }

  /** Whether hints are ignored until the next poll is over. */
  get isFullOfHints(): boolean {
    return this.sessions.isFull || this.users.isFull || this.claims.isFull;
  }

  /** The hints that the next poll confirms or drops, at most `limit` of each kind. */
  hintsUpTo(limit: number): RevocationsByKind {
    return {
      sessions: this.sessions.hintsUpTo(limit).map(([id, reason]) => ({ id, reason })),
      users: this.users.hintsUpTo(limit).map(([id, version]) => ({ id, version })),
      claims: this.claims.hintsUpTo(limit).map(([id, version]) => ({ id, version })),
    };
  }

  /** Called before the first statement of a poll is sent. */
  startPoll(): void {
    this.polls++;
  }

  /**
   * Called when everything that a poll of the whole span has read is merged. Drops unconfirmed hints.
   *
   * @returns the facts that the poll should have repeated and did not
   */
  finishPoll(now: number): RevocationsByKind {
    for (const known of [this.sessions, this.users, this.claims]) known.dropUnconfirmedHints(this.polls);
    return this.missing(now - this.span + REPEAT_MARGIN_MS);
  }

  /**
   * The same for a poll of what is new. It drops no hint: what a hint is about may have happened before.
   *
   * @param window milliseconds that the poll has read back
   */
  finishRecentPoll(now: number, window: number): RevocationsByKind {
    return this.missing(now - window + REPEAT_MARGIN_MS / 2);
  }

  /** Whether the last poll was of what is new and has left hints open: only a poll of the whole span can tell. */
  get hasUnconfirmedHints(): boolean {
    return [this.sessions, this.users, this.claims].some(known => known.hasUnconfirmedHint(this.polls));
  }

  /** Why the session has ended; undefined while it is live. */
  reasonOf(sessionId: string): string | undefined {
    return this.sessions.valueOf(sessionId);
  }

  /** Whether the user's access tokens were invalidated after this one was issued. */
  isInvalidated({ userId, accessVersion }: Pick<RevocationKeys, 'userId' | 'accessVersion'>): boolean {
    return this.users.size > 0 && (this.users.valueOf(userId) ?? 0) > accessVersion;
  }

  /** Whether the session's claims were changed after this token was issued. */
  isOutdated({ sessionId, tokenVersion }: RevocationKeys): boolean {
    return this.claims.size > 0 && (this.claims.valueOf(sessionId) ?? 0) > tokenVersion;
  }

  private missing(since: number): RevocationsByKind {
    return {
      sessions: this.sessions.missingIn(this.polls, since).map(([id, reason]) => ({ id, reason })),
      users: this.users.missingIn(this.polls, since).map(([id, version]) => ({ id, version })),
      claims: this.claims.missingIn(this.polls, since).map(([id, version]) => ({ id, version })),
    };
  }

  /** How many sessions and users are kept. */
  get size(): number {
    return this.sessions.size + this.users.size + this.claims.size;
  }
}

function isHigher(version: number, other: number): boolean {
  return version > other;
}

/** A moment on both clocks: the monotonic one may stop while a machine sleeps, the wall clock may be set. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** The time that has passed, by the clock that shows more. */
export function elapsed(from: Moment, to: Moment): number {
  return Math.max(to.monotonic - from.monotonic, to.wall - from.wall);
}
