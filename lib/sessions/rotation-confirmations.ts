import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { VerifiedToken } from '../tokens/access-token.claims.js';
import { TokenUse } from '../tokens/access-token-authenticator.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SessionTimers } from '../common/clock.js';
import { RotationStore } from '../store/rotation.store.js';

const INTERVAL = 100;
const MAX_BATCH = 100;
/** Milliseconds. A database that answers no more must not keep the application from ending. */
const TIMEOUT_MS = 5_000;

/**
 * Collects the first uses of access tokens and confirms them in batches: an access token in use shows that the refresh
 * token issued with it has arrived. The request never waits. A batch that is lost is repeated by the next use; nothing
 * is queued across an outage.
 */
@Injectable()
export class RotationConfirmations extends TokenUse implements BeforeApplicationShutdown {
  // Verified tokens are cached, so one object stands for a token as long as it is in use.
  private noted = new WeakSet<VerifiedToken>();
  private batch = new Map<string, VerifiedToken>();
  private timer?: NodeJS.Timeout;
  private readonly inFlight = new Set<Promise<void>>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: RotationStore,
    private readonly timers: SessionTimers,
  ) {
    super();
  }

  noteUse(token: VerifiedToken): void {
    const { sid, generation, branch } = token.registered;
    // Generation 0 came with the login's own answer: there is nothing to confirm.
    if (generation === 0 || this.noted.has(token)) return;
    this.noted.add(token);
    this.batch.set(`${sid} ${generation} ${branch}`, token);
    if (this.batch.size >= MAX_BATCH) this.send();
    else this.timer ??= this.timers.after(INTERVAL, () => this.send());
  }

  /** TypeORM's connections are still open. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** Sends what is collected and waits until it is written, or for as long as the database may take. */
  async flush(): Promise<void> {
    this.send();
    await Promise.all(this.inFlight);
  }

  private send(): void {
    this.timers.clear(this.timer);
    this.timer = undefined;
    if (this.batch.size === 0) return;
    const tokens = [...this.batch.values()].sort((a, b) => (a.registered.sid < b.registered.sid ? -1 : 1));
    this.batch = new Map();
    const sending = this.confirm(tokens).finally(() => this.inFlight.delete(sending));
    this.inFlight.add(sending);
  }

  private async confirm(tokens: VerifiedToken[]): Promise<void> {
    try {
      const used = tokens.map(({ registered }) => ({
        sessionId: registered.sid,
        generation: registered.generation,
        branch: registered.branch,
      }));
      await this.store.confirm(used, this.options.session.leeway, TIMEOUT_MS);
    } catch {
      // Logged by the store. Forgetting that the tokens were noted lets their next use try again.
      for (const token of tokens) this.noted.delete(token);
    }
  }
}
