/**
 * What ended early within the last span, in memory: a guarded request asks here instead of the database. Only what could
 * still have a living access token is kept, so that memory is bounded by what ended within one span.
 */
export class RevocationState {
  private readonly sessions = new Map<string, { readonly reason: string; readonly forgetAt: number }>();

  /** @param span milliseconds for which an access token can outlive its session */
  constructor(private readonly span: number) {}

  /** A session has ended. What is known already stays: the first reason is the one that counts. */
  endSession(sessionId: string, reason: string, now: number): void {
    if (!this.sessions.has(sessionId)) this.sessions.set(sessionId, { reason, forgetAt: now + this.span });
    this.prune(now);
  }

  /** Why the session has ended, or undefined while it lives. */
  reasonOf(sessionId: string): string | undefined {
    return this.sessions.get(sessionId)?.reason;
  }

  get size(): number {
    return this.sessions.size;
  }

  /** Forgets what no living token can belong to. A Map keeps the order of insertion, so the oldest come first. */
  private prune(now: number): void {
    for (const [sessionId, { forgetAt }] of this.sessions) {
      if (forgetAt > now) return;
      this.sessions.delete(sessionId);
    }
  }
}
