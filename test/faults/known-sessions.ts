import type { CommitsLost, Copied, Entry, Exchange, Interval } from './history.js';

const isDone = ({ answer }: Exchange): boolean => answer !== undefined && answer.status >= 200 && answer.status < 300;

/** The sessions of a history: who began them, and what may have ended them. */
export class Sessions {
  readonly exchanges: readonly Exchange[];
  readonly copied: readonly Copied[];
  private readonly losses: readonly CommitsLost[];
  private readonly logIns = new Map<string, Exchange>();
  private readonly operations: readonly Exchange[];
  private readonly bySession = new Map<string, Exchange[]>();

  constructor(history: readonly Entry[]) {
    this.exchanges = history.filter(entry => entry.kind === 'exchange').sort((one, other) => one.sentAt - other.sentAt);
    this.copied = history.filter(entry => entry.kind === 'copied');
    this.losses = history.filter(entry => entry.kind === 'commits-lost');
    this.operations = this.exchanges.filter(({ action }) => !['log-in', 'refresh', 'use', 'list'].includes(action));
    for (const exchange of this.exchanges) {
      const { sessionId, action } = exchange;
      if (sessionId === undefined) continue;
      if (action === 'log-in') this.logIns.set(sessionId, exchange);
      this.bySession.set(sessionId, [...(this.bySession.get(sessionId) ?? []), exchange]);
    }
  }

  refreshesOf(sessionId: string): Exchange[] {
    return this.of(sessionId).filter(({ action }) => action === 'refresh');
  }

  /** The answered operations and refusals that show that the session has ended. */
  endOf(sessionId: string): Exchange[] {
    const ends = this.operationsOn(sessionId).filter(
      operation => ['log-out', 'log-out-all'].includes(operation.action) && this.isCertain(operation, sessionId),
    );
    const refused = this.of(sessionId).filter(({ answer }) => answer?.code === 'token_theft_detected');
    return [...ends, ...refused.filter(refusal => !this.isLost(refusal))];
  }

  endsRefreshing(sessionId: string): Exchange[] {
    const invalidations = this.operationsOn(sessionId).filter(
      operation => operation.action === 'invalidate-refresh' && this.isCertain(operation, sessionId),
    );
    return [...this.endOf(sessionId), ...invalidations];
  }

  /** The answered operations that end an access token which was issued in the interval. */
  revokesAccess(sessionId: string, { until }: Interval): Exchange[] {
    const invalidations = this.operationsOn(sessionId).filter(
      operation =>
        ['invalidate-access', 'set-claims', 'distrust-keys'].includes(operation.action) &&
        isDone(operation) &&
        !this.isLost(operation) &&
        until < operation.sentAt,
    );
    return [...this.endOf(sessionId), ...invalidations];
  }

  /** The change of claims that an access token must have which was requested at that time; 0 if that is not certain. */
  claimsSetBefore(sessionId: string, time: number): number {
    const changes = this.operationsOn(sessionId).filter(({ action }) => action === 'set-claims');
    // A statement that was given up may be carried out after a later one.
    if (changes.some(change => !isDone(change) && change.sentAt < time)) return 0;
    const written = changes.filter(change => !this.isLost(change) && change.endedAt < time);
    return Math.max(0, ...written.map(({ change }) => change!));
  }

  begunBefore(userId: string, time: number): string[] {
    return [...this.logIns]
      .filter(([, logIn]) => logIn.userId === userId && logIn.endedAt < time)
      .map(([sessionId]) => sessionId);
  }

  /** Whether the session may have ended by then: by an operation, by a theft, or because a failover has lost it. */
  isExcused(sessionId: string, time: number): boolean {
    if (this.mayBeStolen(sessionId, time)) return true;
    const begun = this.logIns.get(sessionId)?.sentAt ?? 0;
    return this.operationsOn(sessionId)
      .filter(({ action }) => ['log-out', 'log-out-all', 'invalidate-refresh'].includes(action))
      .some(operation => operation.sentAt < time && !(isDone(operation) && operation.endedAt < begun));
  }

  /** Whether a theft may be declared: the tokens were copied, or a rotation of the session was lost. */
  mayBeStolen(sessionId: string, time: number): boolean {
    const isCopied = this.copied.some(copy => copy.sessionId === sessionId && copy.at <= time);
    return isCopied || this.mayBeRolledBack(sessionId, time);
  }

  /** Whether a failover may have lost the session or a rotation of it. */
  mayBeRolledBack(sessionId: string, time: number): boolean {
    return this.of(sessionId).some(
      exchange => ['log-in', 'refresh'].includes(exchange.action) && exchange.sentAt < time && this.isLost(exchange),
    );
  }

  private of(sessionId: string): readonly Exchange[] {
    return this.bySession.get(sessionId) ?? [];
  }

  /** The operations on the session, its user, or all users. */
  private operationsOn(sessionId: string): Exchange[] {
    const user = this.logIns.get(sessionId)?.userId;
    return this.operations.filter(operation => {
      if (operation.sessionId !== undefined) return operation.sessionId === sessionId;
      return operation.userId === undefined || operation.userId === user;
    });
  }

  /** Whether the operation has ended the session for certain: it began before, and no failover has lost it. */
  private isCertain(operation: Exchange, sessionId: string): boolean {
    const logIn = this.logIns.get(sessionId);
    return isDone(operation) && !this.isLost(operation) && logIn !== undefined && logIn.endedAt < operation.sentAt;
  }

  /** Whether a failover may have lost what the exchange has written. */
  private isLost({ sentAt, endedAt, answer }: Exchange): boolean {
    // Without an answer it may have been written later.
    return this.losses.some(
      ({ from, until }) => sentAt < until && (endedAt > from || (!answer && endedAt > from - 60_000)),
    );
  }
}
