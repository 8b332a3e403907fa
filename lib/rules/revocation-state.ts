/** What of an access token tells whether it was taken back. */
export interface RevocationKeys {
  readonly sessionId: string;
  readonly userId: string;
  /** The user's access version at issue. */
  readonly accessVersion: number;
  /** The session's token version at issue, which changing its claims raises. */
  readonly tokenVersion: number;
}

/** What ended tokens early: as announced, or as read from the database. */
export interface Announcement {
  readonly sessions?: readonly { readonly id: string; readonly reason: string }[];
  /** Users whose access tokens below a version were invalidated. */
  readonly users?: readonly { readonly id: string; readonly version: number }[];
  /** Sessions whose claims were changed: access tokens below a version are out of date. */
  readonly claims?: readonly { readonly id: string; readonly version: number }[];
  readonly keys?: readonly string[];
}

interface Entry<T> {
  readonly value: T;
  readonly forgetAt: number;
}

/**
 * What ended early within the last span, in memory: a guarded request asks here instead of the database. Everything merges
 * and nothing is replaced, so that the order in which news arrives, or its coming twice, changes nothing. Only what could
 * still have a living access token is kept: memory is bounded by what ended within one span.
 */
export class RevocationState {
  private readonly sessions = new Map<string, Entry<string>>();
  private readonly users = new Map<string, Entry<number>>();
  private readonly claims = new Map<string, Entry<number>>();

  /** @param span milliseconds for which an access token can outlive what it was issued for */
  constructor(private readonly span: number) {}

  /**
   * Takes in what ended.
   *
   * @returns the sessions that were not known to have ended
   */
  merge({ sessions = [], users = [], claims = [] }: Announcement, now: number): string[] {
    this.forget(now);
    const forgetAt = now + this.span;
    const news: string[] = [];
    for (const { id, reason } of sessions) {
      // The first reason is the one that counts.
      if (this.sessions.has(id)) continue;
      this.sessions.set(id, { value: reason, forgetAt });
      news.push(id);
    }
    for (const { id, version } of users) raise(this.users, id, version, forgetAt);
    for (const { id, version } of claims) raise(this.claims, id, version, forgetAt);
    return news;
  }

  /** Why the session has ended, or undefined while it lives. */
  reasonOf(sessionId: string): string | undefined {
    return this.sessions.get(sessionId)?.value;
  }

  /** Whether the user's access tokens were invalidated after this one was issued. */
  isInvalidated({ userId, accessVersion }: RevocationKeys): boolean {
    return this.users.size > 0 && (this.users.get(userId)?.value ?? 0) > accessVersion;
  }

  /** Whether the session's claims were changed after this token was issued. */
  isOutdated({ sessionId, tokenVersion }: RevocationKeys): boolean {
    return this.claims.size > 0 && (this.claims.get(sessionId)?.value ?? 0) > tokenVersion;
  }

  /** How many sessions and users are kept. */
  get size(): number {
    return this.sessions.size + this.users.size + this.claims.size;
  }

  private forget(now: number): void {
    for (const map of [this.sessions, this.users, this.claims]) {
      for (const [key, { forgetAt }] of map) {
        if (forgetAt > now) break;
        map.delete(key);
      }
    }
  }
}

/** Keeps the larger version. */
function raise(versions: Map<string, Entry<number>>, id: string, version: number, forgetAt: number): void {
  if ((versions.get(id)?.value ?? 0) >= version) return;
  // Deleted first, so that the map stays in the order of forgetting.
  versions.delete(id);
  versions.set(id, { value: version, forgetAt });
}

/** A moment in both clocks: the monotonic one stands still while a machine sleeps, the wall clock may be set. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** How much time has passed, by whichever clock says more. */
export function elapsed(from: Moment, to: Moment): number {
  return Math.max(to.monotonic - from.monotonic, to.wall - from.wall);
}
