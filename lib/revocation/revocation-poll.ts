import { Injectable, Logger } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { PollWindow } from '../rules/poll-window.js';
import { RevocationStore, startOfPoll } from '../store/revocation.store.js';
import { Revocations } from './revocations.js';

export interface PollRequest {
  /** When it was asked for, on the monotonic clock. */
  readonly sent: number;
  /** Sent as a notification; null for none. */
  readonly echo: string | null;
  /** Milliseconds for each page. */
  readonly timeout: number;
}

/** Reads from the database what ended: what is new since the last poll where that is enough, else the whole span. */
@Injectable()
export class RevocationPoll {
  private readonly logger = new Logger('SessionRevocation');
  private readonly window: PollWindow;
  private isStopped = false;
  private hasWarnedOfClocks = false;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: RevocationStore,
    private readonly revocations: Revocations,
    private readonly clock: SessionClock,
  ) {
    this.window = new PollWindow(revocations.span);
  }

  /**
   * @returns false after `stop()`
   * @throws SessionStoreUnavailableError
   */
  async read(request: PollRequest): Promise<boolean> {
    // Transactions of several machines have no common order, by which the window tells what is new.
    const since = this.options.distributed ? undefined : this.window.start();
    try {
      if (since === undefined) return await this.readFrom(undefined, request);
      if (await this.readFrom(since, request)) return true;
      return !this.isStopped && (await this.readFrom(undefined, { ...request, echo: null }));
    } catch (error) {
      this.window.interrupt();
      throw error;
    }
  }

  /** The next poll reads the whole span: news may have been lost. */
  interrupt(): void {
    this.window.interrupt();
  }

  /** The pool of connections is about to be closed: a poll that is under way reads no more pages. */
  stop(): void {
    this.isStopped = true;
  }

  /**
   * Each page is awaited, so that requests are served in between.
   *
   * @param since where to begin, in the database's clock; undefined for the whole span
   * @returns false where only the whole span can tell, and after `stop()`
   */
  private async readFrom(since: number | undefined, { sent, echo, timeout }: PollRequest): Promise<boolean> {
    const now = this.clock.now();
    const request = { span: this.revocations.span, now };
    this.revocations.startPoll();
    const first = await this.store.poll({ ...request, echo }, startOfPoll(since), timeout);
    const { position } = first;
    this.compareClocks(position.now, now);
    this.revocations.mergePage(first);
    if (since !== undefined && !this.window.continues(position, sent)) return false;
    for (let { next } = first; next;) {
      if (this.isStopped) return false;
      const page = await this.store.poll({ ...request, echo: null }, next, timeout);
      this.revocations.mergePage(page);
      next = page.next;
    }
    if (this.isStopped) return false;
    const lost = this.revocations.finishPoll(since === undefined ? undefined : position.now - since);
    if (since !== undefined && this.revocations.hasUnconfirmedHints) return false;
    this.window.complete(position, sent, since === undefined);
    const restored = await this.store.restore(lost, timeout);
    if (restored > 0) {
      this.logger.warn(`the database had lost ${restored} revocations, as after a failover: they are written again`);
    }
    return true;
  }

  /**
   * Clocks that differ make fresh tokens look issued in the future.
   *
   * @param sent when the database was asked, on this process's clock
   */
  private compareClocks(databaseNow: number, sent: number): void {
    const offset = Math.abs(databaseNow - (sent + this.clock.now()) / 2);
    const isLarge = offset > this.options.accessToken.clockTolerance / 2;
    if (isLarge && !this.hasWarnedOfClocks) {
      this.logger.warn(
        `this machine's clock is ${Math.round(offset)} ms off the database's: above accessToken.clockTolerance tokens are refused`,
      );
    }
    this.hasWarnedOfClocks = isLarge;
  }
}
