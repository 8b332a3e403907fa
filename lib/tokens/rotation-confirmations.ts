import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Announcements } from '../revocation/announcements.js';
import { SessionTimers } from '../common/clock.js';
import { branchOf } from '../rules/refresh-token.js';
import { decideUse } from '../rules/rotation.js';
import { RotationStore } from '../store/rotation.store.js';
import type { VerifiedToken } from './access-token.claims.js';

const INTERVAL_MS = 100;
const MAX_BATCH_SIZE = 100;
/** A database that no longer answers must not delay the shutdown. */
const TIMEOUT_MS = 5_000;

/**
 * Collects the first uses of access tokens and writes them in batches: an access token in use shows that the refresh
 * token issued with it has arrived, or that somebody else has a newer one; or that the registration of a key has arrived,
 * which is in force from then on. The request never waits. A batch that is
 * lost is repeated by the next use; nothing is queued across an outage.
 */
@Injectable()
export class RotationConfirmations implements BeforeApplicationShutdown {
  // Verified tokens are cached: the same token is the same object while it is in use.
  private noted = new WeakSet<VerifiedToken>();
  /** By session: a statement changes a row once. */
  private batch = new Map<string, VerifiedToken>();
  private timer?: NodeJS.Timeout;
  private readonly inFlight = new Set<Promise<void>>();

  constructor(
    private readonly store: RotationStore,
    private readonly announcements: Announcements,
    private readonly timers: SessionTimers,
  ) {}

  /** Called for every accepted token: it must be quick and must not throw. */
  noteUse(token: VerifiedToken): void {
    const { sessionId, generation, newKey } = token;
    // Generation 0 came with the login's own answer: there is nothing to confirm.
    if ((generation === 0 && newKey === undefined) || this.noted.has(token)) return;
    this.noted.add(token);
    if (this.batch.has(sessionId) || this.batch.size >= MAX_BATCH_SIZE) this.send();
    this.batch.set(sessionId, token);
    this.timer ??= this.timers.after(INTERVAL_MS, () => this.send());
  }

  /** TypeORM's connections are still open. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** Sends the collected uses, and waits until they are written or their time limit is over. */
  async flush(): Promise<void> {
    this.send();
    await Promise.all(this.inFlight);
  }

  private send(): void {
    this.timers.clear(this.timer);
    this.timer = undefined;
    if (this.batch.size === 0) return;
    const tokens = this.batch;
    this.batch = new Map();
    const sending = this.confirm(tokens).finally(() => this.inFlight.delete(sending));
    this.inFlight.add(sending);
  }

  private async confirm(tokens: ReadonlyMap<string, VerifiedToken>): Promise<void> {
    try {
      await this.confirmKeys([...tokens.values()]);
      const rotated = [...tokens.values()].filter(({ generation }) => generation > 0);
      if (rotated.length === 0) return;
      const { skipped, stolen, forks } = await this.store.confirm(rotated, TIMEOUT_MS);
      for (const id of skipped) this.noted.delete(tokens.get(id)!);
      for (const { sessionId, userId } of stolen) this.announcements.theft(sessionId, userId, 'fork', [sessionId]);
      await Promise.all(forks.map(id => this.endFork(tokens.get(id)!)));
    } catch {
      // The store has logged the error. The tokens no longer count as noted, so that their next use tries again.
      for (const token of tokens.values()) this.noted.delete(token);
    }
  }

  private async confirmKeys(tokens: readonly VerifiedToken[]): Promise<void> {
    const withKey = tokens.filter(({ newKey }) => newKey !== undefined);
    if (withKey.length === 0) return;
    const { skipped, bound } = await this.store.confirmKeys(withKey, TIMEOUT_MS);
    for (const token of withKey) if (skipped.includes(token.sessionId)) this.noted.delete(token);
    for (const session of bound) {
      this.announcements.committed(undefined, { event: { type: 'session.bound', ...session, kind: 'dbsc' } });
    }
  }

  /**
   * Ends the session and the others of its user in one statement. If it fails, none of them ends, and the next use of
   * the token tries again.
   */
  private async endFork(token: VerifiedToken): Promise<void> {
    const { sessionId } = token;
    const request = { sessionId, deadline: this.store.deadline().databaseTime };
    const observed = await this.store.readForRotation(request);
    const used = observed && { ...token, isLater: token.issuedAt > observed.lastSeenAt };
    const isFork = used && decideUse(observed.state, used, hash => branchOf(Buffer.from(hash, 'hex'))) === 'fork';
    const ended = isFork ? await this.store.endStolen(request, observed, 'fork', true) : [];
    if (observed && ended.length > 0) this.announcements.theft(sessionId, observed.userId, 'fork', ended);
    else this.noted.delete(token);
  }
}
