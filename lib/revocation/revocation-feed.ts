import { Injectable, Logger } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { Schedule } from '../common/schedule.js';
import { ServerSecrets } from '../keys/server-secrets.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { elapsed, type Moment } from '../rules/revocation-state.js';
import { SessionEvents } from '../session.events.js';
import type { RevocationStatus } from '../session.types.js';
import { type Listening, Notifications } from '../store/notifications.js';
import { readNotification } from './notification.js';
import { RevocationPoll } from './revocation-poll.js';
import { Revocations } from './revocations.js';

/** How often the feed checks whether a poll is due; also how often it polls while something is wrong. */
const TICK_MS = 1_000;

/** Minimum timeout of the first poll: before it there is no knowledge that could be stale. */
const FIRST_POLL_TIMEOUT_MS = 5_000;

/** How long an echo may take. */
const ECHO_TIMEOUT_MS = 1_000;

/** The pause between attempts to listen, at least: behind a pooler each is in vain. */
const MIN_RECONNECT_PAUSE_MS = 5_000;

/**
 * Learns of what other processes end.
 *
 * | source | role |
 * |---|---|
 * | poll, every third of `maxStaleness` | the truth: reads what ended, since the last poll or within the span |
 * | notifications | hints, which arrive within milliseconds; a poll confirms them, or drops them if it reads the span |
 *
 * Notifications count as working only while the echo of this process's own nonce comes back: behind a transaction
 * pooler LISTEN succeeds and nothing ever arrives.
 */
@Injectable()
export class RevocationFeed {
  private readonly logger = new Logger('SessionRevocation');
  private readonly maxStaleness: number;
  private readonly listens: boolean;
  private stopTimer?: () => void;
  private listening?: Listening;
  private isConnecting = false;
  private isStopped = false;
  /** When the last successful poll was sent. */
  private freshAt?: Moment;
  private polledAt?: Moment;
  private connectedAt?: Moment;
  /** The echo that is awaited on the current connection. */
  private probe?: { readonly nonce: string; readonly sent: Moment };
  /** Whether an echo did not come back, or the connection was lost. */
  private isDeaf = false;
  /** Whether a poll was asked for before it is due. */
  private isPollWanted = false;
  private lastPoll = Promise.resolve();
  private cause?: 'poll' | 'listen';

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly polling: RevocationPoll,
    private readonly notifications: Notifications,
    private readonly revocations: Revocations,
    private readonly secrets: ServerSecrets,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly schedule: Schedule,
  ) {
    const { maxStaleness, feed, announcer } = options.revocation;
    this.maxStaleness = maxStaleness;
    this.listens = feed === 'notify' || announcer !== undefined;
  }

  /**
   * Listens first and polls then, so that nothing is missed in between.
   *
   * @throws Error if the database does not answer
   */
  async start(): Promise<void> {
    if (this.options.revocation.mode !== 'live') return;
    if (this.listens) await this.notifications.open(this.secrets.trusted.map(({ channel }) => channel));
    await this.listen();
    await this.poll(Math.max(this.interval, FIRST_POLL_TIMEOUT_MS));
    if (!this.freshAt) throw new Error('SessionModule cannot start: the database does not answer');
    this.stopTimer = this.schedule.every('jwt-session-revocation', Math.min(TICK_MS, this.interval), () => this.tick());
  }

  /** Closes the listening connection. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.polling.stop();
    this.stopTimer?.();
    await this.listening?.close();
    this.listening = undefined;
  }

  /** Whether this process's knowledge is recent enough to answer from. Asked on every request. */
  isFreshAt(wall: number): boolean {
    if (this.freshAt === undefined) return false;
    return elapsed(this.freshAt, { monotonic: this.clock.monotonic(), wall }) <= this.maxStaleness;
  }

  /** Milliseconds since the last successful poll was sent; 0 before the first. */
  get staleness(): number {
    return this.freshAt ? Math.round(elapsed(this.freshAt, this.moment())) : 0;
  }

  get status(): RevocationStatus {
    const { mode } = this.options.revocation;
    return {
      status: mode !== 'live' || this.isFreshAt(this.clock.now()) ? 'up' : 'down',
      mode,
      listening: this.listening !== undefined && !this.isDeaf,
      staleness: this.staleness,
    };
  }

  /** Polls when it is due: at the interval while all is well, at every tick while something is wrong. */
  async tick(): Promise<void> {
    const due = this.cause === undefined ? this.interval : 0;
    if (this.polledAt && elapsed(this.polledAt, this.moment()) < due) return;
    await this.poll();
  }

  /**
   * Reads what ended since the last poll, or within the span, after a poll that is under way. A failure is logged and
   * reported.
   *
   * @param timeout milliseconds for each page
   */
  poll(timeout = this.interval): Promise<void> {
    this.lastPoll = this.lastPoll.then(() => this.pollOnce(timeout));
    return this.lastPoll;
  }

  private async pollOnce(timeout: number): Promise<void> {
    this.isPollWanted = false;
    const sent = this.moment();
    this.polledAt = sent;
    const echo = this.nextEcho(sent);
    if (echo !== null) this.notifications.announceEcho(echo);
    try {
      const isComplete = await this.polling.read({ sent: sent.monotonic, echo, timeout });
      if (!isComplete) return;
      this.freshAt = sent;
      this.report(this.isDeaf ? 'listen' : undefined);
    } catch {
      // The store has logged the error. Until maxStaleness requests are answered from memory, then by the database.
      this.report('poll');
    }
  }

  private get interval(): number {
    return this.maxStaleness / 3;
  }

  /**
   * Replaces a connection on which the echo did not come back. The poll does not wait for the new connection: the next
   * one asks for an echo there, and loads what was missed in between.
   *
   * @returns the nonce that the poll sends; null for none
   */
  private nextEcho(now: Moment): string | null {
    if (this.probe && elapsed(this.probe.sent, now) < ECHO_TIMEOUT_MS) return null;
    if (this.probe) {
      this.isDeaf = true;
      this.disconnect();
    }
    const pause = Math.max(this.interval, MIN_RECONNECT_PAUSE_MS);
    const isEarly = this.connectedAt !== undefined && elapsed(this.connectedAt, now) < pause;
    if (!this.listening && !isEarly) void this.listen();
    if (!this.listening) return null;
    this.probe = { nonce: randomBytes(12).toString('base64url'), sent: now };
    return this.probe.nonce;
  }

  private async listen(): Promise<void> {
    if (!this.listens || this.isConnecting || this.isStopped) return;
    this.isConnecting = true;
    this.connectedAt = this.moment();
    try {
      const listening = await this.notifications.listen(
        payload => this.receive(payload),
        () => {
          this.isDeaf = true;
          this.disconnect();
          this.report('listen');
        },
      );
      if (this.isStopped) return await listening.close();
      this.listening = listening;
    } catch (error) {
      this.isDeaf = true;
      this.logger.warn(`listening failed: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.isConnecting = false;
    }
  }

  private disconnect(): void {
    void this.listening?.close();
    this.listening = undefined;
    this.probe = undefined;
    this.polling.interrupt();
  }

  private receive(payload: string): void {
    const notification = readNotification(payload);
    if (!notification) return;
    if (notification.echo !== undefined) return this.receiveEcho(notification.echo);
    const { processId, sessions, users, claims, keys } = notification;
    // Our own notification may arrive before the response to the statement that sent it, or instead of it.
    const source = processId === this.notifications.processId ? 'local' : 'remote';
    const hasRoom = this.revocations.mergeHint({ sessions, users, claims }, source);
    if (keys || !hasRoom) this.pollSoon();
  }

  private receiveEcho(nonce: string): void {
    if (nonce !== this.probe?.nonce) return;
    this.probe = undefined;
    this.isDeaf = false;
    if (this.cause === 'listen') this.report(undefined);
  }

  /** Hints that arrive during a poll cause one more. */
  private pollSoon(): void {
    if (this.isPollWanted || this.isStopped) return;
    this.isPollWanted = true;
    void this.poll();
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
        ? 'the database does not answer: revocations of other processes are unknown here until it does'
        : `notifications do not arrive: polling every second. ${this.advice}`,
    );
    this.events.emit({ type: 'revocation.degraded', cause });
  }

  private get advice(): string {
    const { announcer, listenUrl } = this.options.revocation;
    if (announcer) return 'See what revocation.announcer cannot reach';
    return listenUrl === undefined
      ? "Behind a transaction pooler write revocation: { listenUrl } or { feed: 'poll' }"
      : 'See whether revocation.listenUrl leads past the pooler, to the same database';
  }

  private moment(): Moment {
    return { monotonic: this.clock.monotonic(), wall: this.clock.now() };
  }
}
