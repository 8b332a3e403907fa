import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { revokedError, SessionError, SessionExpiredError, SessionStoreUnavailableError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import type { UserSession } from '../session.types.js';
import { SessionStore } from '../store/session.store.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';

/** How many sessions are checked before other work of the event loop gets its turn. */
const MAX_CHECKS_PER_TURN = 100;

/** For how long the last messages of streams may be on their way to the sockets at a shutdown. */
const LAST_MESSAGES_MS = 100;

/** An open socket or event stream. */
interface Watch {
  readonly session: UserSession;
  readonly subscriber: Subscriber<SessionError>;
  /** Milliseconds since the epoch, as last read: a refresh in another process extends it. */
  expiresAt: number;
  isChecking: boolean;
}

/**
 * Watches sessions while a socket or an event stream of theirs is open, because no guard runs again there.
 *
 * | the session ends by | the stream emits |
 * |---|---|
 * | log-out, theft, limit or a new login, in any process | at once, by the event `session.revoked` |
 * | expiry, changed claims, invalidated tokens, a distrusted key, a database that does not answer | at the next check |
 * | the shutdown of this process | before the HTTP server closes |
 *
 * All streams share one subscription and one timer, so that a stream slows down neither log-ins nor refreshes.
 */
@Injectable()
export class SessionExpiryWatcher implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('SessionWatcher');
  private readonly watches = new Map<string, Set<Watch>>();
  private timer?: NodeJS.Timeout;
  private isChecking = false;
  private isShuttingDown = false;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly accessTokens: AccessTokenAuthenticator,
    private readonly store: SessionStore,
    readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {}

  onModuleInit(): void {
    this.events.observable.subscribe(event => {
      if (event.type !== 'session.revoked' || this.watches.size === 0) return;
      for (const id of event.sessionIds) {
        for (const watch of this.watches.get(id) ?? []) end(watch, revokedError(event.reason));
      }
    });
  }

  /** Open streams would keep the HTTP server from closing; `forceCloseConnections` would cut their last messages off. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isShuttingDown = true;
    const isAnyOpen = this.watches.size > 0;
    for (const watch of this.all()) endByShutdown(watch);
    if (isAnyOpen) await this.timers.pause(LAST_MESSAGES_MS);
  }

  /** Emits once, and completes, when the session no longer counts. */
  endOf(session: UserSession): Observable<SessionError> {
    return new Observable(subscriber => {
      const watch = { session, subscriber, expiresAt: session.expiresAt.getTime(), isChecking: false };
      if (this.isShuttingDown) return endByShutdown(watch);
      this.add(watch);
      void this.check(watch);
      return () => this.remove(watch);
    });
  }

  private add(watch: Watch): void {
    const { id } = watch.session;
    const watches = this.watches.get(id);
    if (watches) watches.add(watch);
    else this.watches.set(id, new Set([watch]));
    this.timer ??= this.timers.every(this.options.revocation.maxStaleness / 3, () => void this.checkAll());
  }

  private remove(watch: Watch): void {
    const { id } = watch.session;
    const watches = this.watches.get(id);
    watches?.delete(watch);
    if (watches?.size === 0) this.watches.delete(id);
    if (this.watches.size > 0) return;
    this.timers.clear(this.timer);
    this.timer = undefined;
  }

  private all(): Watch[] {
    return [...this.watches.values()].flatMap(watches => [...watches]);
  }

  private async checkAll(): Promise<void> {
    if (this.isChecking) return;
    this.isChecking = true;
    const watches = this.all();
    for (let from = 0; from < watches.length; from += MAX_CHECKS_PER_TURN) {
      // Not awaited: a check that waits for the database must not delay those of other sessions.
      for (const watch of watches.slice(from, from + MAX_CHECKS_PER_TURN)) void this.check(watch);
      await new Promise<void>(resolve => this.timers.atEndOfTurn(resolve));
    }
    this.isChecking = false;
  }

  private async check(watch: Watch): Promise<void> {
    if (watch.isChecking || watch.subscriber.closed) return;
    watch.isChecking = true;
    try {
      await this.accessTokens.checkStillValid(watch.session);
      if (this.clock.now() >= watch.expiresAt) await this.readExpiry(watch);
    } catch (error) {
      end(watch, error instanceof SessionError ? error : this.unavailable(error));
    } finally {
      watch.isChecking = false;
    }
  }

  /** A subscriber may handle no errors, and the database's message is not for the client of a stream. */
  private unavailable(error: unknown): SessionStoreUnavailableError {
    this.logger.error(`a session cannot be checked: ${error instanceof Error ? error.message : String(error)}`);
    return new SessionStoreUnavailableError();
  }

  private async readExpiry(watch: Watch): Promise<void> {
    const row = await this.store.get(watch.session.id);
    if (!row) throw new SessionExpiredError();
    watch.expiresAt = row.expires_ms;
  }
}

function endByShutdown(watch: Watch): void {
  end(watch, new SessionStoreUnavailableError('This process shuts down: connect again'));
}

function end({ subscriber }: Watch, error: SessionError): void {
  subscriber.next(error);
  subscriber.complete();
}
