import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { elapsed, type Moment } from '../rules/revocation-state.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { Schedule } from '../common/schedule.js';
import type { RevocationStatus } from '../session.types.js';
import { type Listening, Notifications } from '../store/notifications.js';
import { RevocationStore } from '../store/revocation.store.js';
import { type Notification, readNotification } from './notification.js';
import { Revocations } from './revocations.js';

/** How often the feed looks whether something is due; also how often it polls while something is wrong. */
const TICK = 1_000;

/** How long the database may take at start at least, in milliseconds: there is nothing yet that could be stale. */
const FIRST_POLL_TIMEOUT_MS = 5_000;

/**
 * Hears of what other processes end. The reconciliation poll is what makes it true: it reads the whole span, every third of
 * `maxStaleness`. LISTEN only makes it faster, and counts as working only while the echo of this process's own nonce comes
 * back: behind a transaction pooler LISTEN succeeds and nothing ever arrives.
 */
@Injectable()
export class RevocationFeed {
  private readonly logger = new Logger('SessionRevocation');
  private readonly maxStaleness: number;
  private readonly listens: boolean;
  private stopTimer?: () => void;
  private listening?: Listening;
  private connecting = false;
  private stopped = false;
  /** When the last poll that succeeded was sent. */
  private freshAt?: Moment;
  private triedAt?: Moment;
  private listenedAt?: Moment;
  /** The nonce whose echo is awaited. */
  private nonce?: string;
  /** An echo did not come back, or the connection was lost. */
  private deaf = false;
  private cause?: 'poll' | 'listen';
  private clockWarned = false;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: RevocationStore,
    private readonly notifications: Notifications,
    private readonly revocations: Revocations,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly schedule: Schedule,
  ) {
    const { maxStaleness, feed } = options.revocation;
    this.maxStaleness = maxStaleness;
    this.listens = feed === 'notify';
  }

  /** Listens first and loads then, so that nothing falls in between. */
  async start(): Promise<void> {
    if (this.options.revocation.mode !== 'live') return;
    await this.listen();
    await this.poll(Math.max(this.interval, FIRST_POLL_TIMEOUT_MS));
    if (!this.freshAt) throw new Error('SessionModule cannot start: the database does not answer');
    this.stopTimer = this.schedule.every('jwt-session-revocation', Math.min(TICK, this.interval), () => this.tick());
  }

  /** Gives back the listening connection. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.stopTimer?.();
    await this.listening?.close();
    this.listening = undefined;
  }

  /** Whether what this process knows is recent enough to answer from at the clock's present. Asked on every request. */
  isFreshAt(wall: number): boolean {
    if (this.freshAt === undefined) return false;
    return elapsed(this.freshAt, { monotonic: this.clock.monotonic(), wall }) <= this.maxStaleness;
  }

  get status(): RevocationStatus {
    const { mode } = this.options.revocation;
    return {
      status: mode !== 'live' || this.isFreshAt(this.clock.now()) ? 'up' : 'down',
      mode,
      listening: this.listening !== undefined && !this.deaf,
      staleness: this.freshAt ? Math.round(elapsed(this.freshAt, this.moment())) : 0,
    };
  }

  /** Polls when it is due: at leisure while all is well, at every tick while something is wrong. */
  async tick(): Promise<void> {
    const due = this.cause === undefined ? this.interval : 0;
    if (this.triedAt && elapsed(this.triedAt, this.moment()) < due) return;
    await this.poll();
  }

  /**
   * Asks the database for everything that ended within the span.
   *
   * @param timeout milliseconds after which the answer no longer counts
   */
  async poll(timeout = this.interval): Promise<void> {
    this.keepListening();
    const sent = this.moment();
    this.triedAt = sent;
    this.nonce = this.listening && randomBytes(12).toString('base64url');
    try {
      const { now, ...ended } = await this.store.poll(this.revocations.span, this.nonce ?? null, timeout);
      this.freshAt = sent;
      this.revocations.mergeRemote(ended);
      this.compareClocks(now, sent);
      this.report(this.deaf ? 'listen' : undefined);
    } catch {
      // Logged by the store. Requests are answered from memory until maxStaleness, and one by one from then on.
      this.report('poll');
    }
  }

  private get interval(): number {
    return this.maxStaleness / 3;
  }

  /**
   * The echo of the former poll must have come back by now; else the connection is of no use. The poll does not wait for
   * another one: it is the next that asks for an echo there, and that loads what was missed in between.
   */
  private keepListening(): void {
    if (this.nonce !== undefined) this.deaf = true;
    const tried = this.listenedAt !== undefined && elapsed(this.listenedAt, this.moment()) < this.interval;
    if ((this.deaf || !this.listening) && !tried) void this.listen();
  }

  private async listen(): Promise<void> {
    if (!this.listens || this.connecting) return;
    this.connecting = true;
    this.listenedAt = this.moment();
    void this.listening?.close();
    this.listening = undefined;
    try {
      const listening = await this.notifications.listen(
        payload => this.receive(payload),
        () => {
          this.listening = undefined;
          this.deaf = true;
          this.report('listen');
        },
      );
      if (this.stopped) return await listening.close();
      this.listening = listening;
    } catch (error) {
      this.deaf = true;
      this.logger.warn(`LISTEN failed: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.connecting = false;
    }
  }

  private receive(payload: string): void {
    const message = readNotification(payload);
    if (!message) return;
    if (message.echo === undefined) return this.apply(message);
    if (message.echo !== this.nonce) return;
    this.nonce = undefined;
    this.deaf = false;
    if (this.cause === 'listen') this.report(undefined);
  }

  /** A message of our own may come before the answer to the statement that sent it, or in its place. */
  private apply(message: Notification): void {
    if (message.processId === this.notifications.processId) this.revocations.mergeLocal(message);
    else this.revocations.mergeRemote(message);
  }

  private report(cause: 'poll' | 'listen' | undefined): void {
    if (cause === this.cause) return;
    this.cause = cause;
    if (cause === undefined) {
      this.logger.log('revocations arrive again');
      return this.events.emit({ type: 'revocation.recovered' });
    }
    this.logger.warn(
      cause === 'poll'
        ? 'the database does not answer: what other processes end is not known here until it does'
        : "notifications do not arrive: polling every second. Behind a transaction pooler write revocation: { feed: 'poll' }",
    );
    this.events.emit({ type: 'revocation.degraded', cause });
  }

  /** Clocks that differ make fresh tokens look issued in the future. */
  private compareClocks(databaseNow: number, sent: Moment): void {
    const offset = Math.abs(databaseNow - (sent.wall + this.clock.now()) / 2);
    const large = offset > this.options.accessToken.clockTolerance / 2;
    if (large && !this.clockWarned) {
      this.logger.warn(
        `this machine's clock is ${Math.round(offset)} ms off the database's: above accessToken.clockTolerance tokens are refused`,
      );
    }
    this.clockWarned = large;
  }

  private moment(): Moment {
    return { monotonic: this.clock.monotonic(), wall: this.clock.now() };
  }
}
