/** The values of an access token that decide whether it was revoked. */
export interface RevocationKeys {
  readonly sessionId: string;
  readonly userId: string;
  /** The user's access version at issue. */
  readonly accessVersion: number;
  /** The session's token version at issue; changing the claims of the session raises it. */
  readonly tokenVersion: number;
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

/** Facts that a poll should have repeated and did not. */
export interface Lost {
  readonly sessions: readonly EndedSession[];
  readonly users: readonly RaisedVersion[];
  readonly claims: readonly RaisedVersion[];
}

/**
 * How this process learned of a revocation.
 *
 * | learned from | counts for | must be repeated by polls |
 * |---|---|---|
 * | `commit` | one span | yes: this process committed it |
 * | `poll` | one span | until it is a span old |
 * | `answer` | one span | no: the database was asked about this session alone, which may have ended long ago |
 * | `hint` | until the next poll is over, unless that poll confirms it | no: any process may have sent the notification |
 */
export type LearnedFrom = 'commit' | 'poll' | 'answer' | 'hint';

/** Hints of one kind that are kept until the next poll: they must not fill the memory. */
const MAX_HINTS = 10_000;

/** A poll may miss what is about as old as the span: clocks and delays differ. */
const REPEAT_MARGIN_MS = 60_000;

interface Learning {
  readonly from: LearnedFrom;
  readonly now: number;
  readonly span: number;
  /** The number of the last poll that was started. */
  readonly poll: number;
  readonly age?: number;
}

interface Entry<T> {
  /** Undefined while there is only a hint. */
  fact: T | undefined;
  hint: { readonly value: T; readonly poll: number } | undefined;
  /** The last poll that repeated the fact, or before which it was committed. */
  confirmedIn: number;
  /** Polls repeat the fact until then. */
  expectedUntil: number;
  readonly forgetAt: number;
}

/** The facts about ids of one kind. Values only grow, so the order in which they arrive does not matter. */
class Knowledge<T> {
  private readonly entries = new Map<string, Entry<T>>();
  private hints = 0;

  /** @param exceeds whether a value says more than another one */
  constructor(private readonly exceeds: (value: T, other: T) => boolean) {}

  get size(): number {
    return this.entries.size;
  }

  get isFull(): boolean {
    return this.hints >= MAX_HINTS;
  }

  valueOf(id: string): T | undefined {
    const entry = this.entries.get(id);
    return entry?.hint === undefined ? entry?.fact : entry.hint.value;
  }

  /** @returns whether the id was unknown */
  learn(id: string, value: T, learning: Learning): boolean {
    const entry = this.entries.get(id);
    if (learning.from === 'hint') this.addHint(id, value, entry, learning);
    else this.confirm(id, value, entry, learning);
    return entry === undefined && this.entries.has(id);
  }

  /** Drops hints that the poll has not confirmed. Returns the facts that it should have repeated. */
  settle(poll: number, now: number): (readonly [id: string, value: T])[] {
    const lost: (readonly [string, T])[] = [];
    for (const [id, entry] of this.entries) {
      if (entry.hint !== undefined && entry.hint.poll < poll) this.dropHint(id, entry);
      if (entry.fact !== undefined && entry.confirmedIn < poll && entry.expectedUntil > now)
        lost.push([id, entry.fact]);
    }
    return lost;
  }

  forget(now: number): void {
    for (const [id, entry] of this.entries) {
      if (entry.forgetAt > now) break;
      this.dropHint(id, entry);
      this.entries.delete(id);
    }
  }

  private addHint(id: string, value: T, entry: Entry<T> | undefined, { now, span, poll }: Learning): void {
    const known = this.valueOf(id);
    if (this.isFull || (known !== undefined && !this.exceeds(value, known))) return;
    const { fact, confirmedIn = 0, expectedUntil = 0 } = entry ?? {};
    if (entry?.hint === undefined) this.hints++;
    this.put(id, { fact, hint: { value, poll }, confirmedIn, expectedUntil, forgetAt: now + span });
  }

  private confirm(id: string, value: T, entry: Entry<T> | undefined, learning: Learning): void {
    const { from, now, span, poll, age = 0 } = learning;
    const fact = entry?.fact;
    if (entry !== undefined && fact !== undefined && !this.exceeds(value, fact)) {
      if (!this.exceeds(fact, value)) entry.confirmedIn = poll;
      return;
    }
    const expectedUntil = from === 'answer' ? 0 : now + span - age - REPEAT_MARGIN_MS;
    const isAhead = entry?.hint !== undefined && this.exceeds(entry.hint.value, value);
    if (entry?.hint !== undefined && !isAhead) this.hints--;
    const hint = isAhead ? entry!.hint : undefined;
    this.put(id, { fact: value, hint, confirmedIn: poll, expectedUntil, forgetAt: now + span });
  }

  /** Deletes first, so that the map stays in the order in which entries expire. */
  private put(id: string, entry: Entry<T>): void {
    this.entries.delete(id);
    this.entries.set(id, entry);
  }

  private dropHint(id: string, entry: Entry<T>): void {
    if (entry.hint === undefined) return;
    this.hints--;
    entry.hint = undefined;
    if (entry.fact === undefined) this.entries.delete(id);
  }
}

/**
 * The revocations of the last span, in memory: a guarded request asks here instead of the database. Older ones concern
 * no valid access token, so memory is bounded by the revocations of one span, and by `MAX_HINTS`.
 *
 * Times are those of a monotonic clock, so that setting the wall clock forgets nothing.
 */
export class RevocationState {
  // The first reason of a session counts, and the highest version of a user or of claims.
  private readonly sessions = new Knowledge<string>(() => false);
  private readonly users = new Knowledge<number>((version, other) => version > other);
  private readonly claims = new Knowledge<number>((version, other) => version > other);
  private polls = 0;

  /** @param span milliseconds for which an access token can outlive its revocation */
  constructor(private readonly span: number) {}

  /**
   * Adds what ended.
   *
   * @returns the sessions that were not known to have ended
   */
  merge({ sessions = [], users = [], claims = [] }: Announcement, now: number, from: LearnedFrom = 'commit'): string[] {
    for (const known of [this.sessions, this.users, this.claims]) known.forget(now);
    const learning = { from, now, span: this.span, poll: this.polls };
    const news = sessions.filter(({ id, reason, age }) => this.sessions.learn(id, reason, { ...learning, age }));
    for (const { id, version, age } of users) this.users.learn(id, version, { ...learning, age });
    for (const { id, version, age } of claims) this.claims.learn(id, version, { ...learning, age });
    return news.map(({ id }) => id);
  }

  /** Whether hints are ignored until the next poll is over. */
  get isFullOfHints(): boolean {
    return this.sessions.isFull || this.users.isFull || this.claims.isFull;
  }

  /** Called before the first statement of a poll is sent. */
  startPoll(): void {
    this.polls++;
  }

  /** Called when everything that the poll has read is merged. */
  finishPoll(now: number): Lost {
    return {
      sessions: this.sessions.settle(this.polls, now).map(([id, reason]) => ({ id, reason })),
      users: this.users.settle(this.polls, now).map(([id, version]) => ({ id, version })),
      claims: this.claims.settle(this.polls, now).map(([id, version]) => ({ id, version })),
    };
  }

  /** Why the session has ended; undefined while it is live. */
  reasonOf(sessionId: string): string | undefined {
    return this.sessions.valueOf(sessionId);
  }

  /** Whether the user's access tokens were invalidated after this one was issued. */
  isInvalidated({ userId, accessVersion }: RevocationKeys): boolean {
    return this.users.size > 0 && (this.users.valueOf(userId) ?? 0) > accessVersion;
  }

  /** Whether the session's claims were changed after this token was issued. */
  isOutdated({ sessionId, tokenVersion }: RevocationKeys): boolean {
    return this.claims.size > 0 && (this.claims.valueOf(sessionId) ?? 0) > tokenVersion;
  }

  /** How many sessions and users are kept. */
  get size(): number {
    return this.sessions.size + this.users.size + this.claims.size;
  }
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
