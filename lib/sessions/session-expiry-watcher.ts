import { Injectable } from '@nestjs/common';
import { Observable, type Subscriber } from 'rxjs';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { revokedError, SessionError, SessionExpiredError, SessionStoreUnavailableError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock, SessionTimers } from '../common/clock.js';
import type { UserSession } from '../session.types.js';
import { SessionStore } from '../store/session.store.js';

/** Looks after sessions for as long as a socket or an event stream of theirs is open: no guard runs again there. */
@Injectable()
export class SessionExpiryWatcher {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly accessTokens: AccessTokenAuthenticator,
    private readonly store: SessionStore,
    private readonly events: SessionEvents,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {}

  /** Emits once, and completes, when the session no longer counts. */
  endOf(session: UserSession): Observable<SessionError> {
    return new Observable(subscriber => {
      const end = (error: SessionError) => {
        subscriber.next(error);
        subscriber.complete();
      };
      // What ends a session is told at once; the rest, and what a process that hears nothing misses, is looked for.
      const told = this.events.observable.subscribe({
        next: event => {
          if (event.type === 'session.revoked' && event.sessionIds.includes(session.id))
            end(revokedError(event.reason));
        },
        // Open streams would keep the application from closing.
        complete: () => end(new SessionStoreUnavailableError('This process shuts down: connect again')),
      });
      const look = this.looking(session, subscriber, end);
      const timer = this.timers.every(this.options.revocation.maxStaleness / 3, look);
      look();
      return () => {
        told.unsubscribe();
        this.timers.clear(timer);
      };
    });
  }

  private looking(session: UserSession, subscriber: Subscriber<SessionError>, end: (error: SessionError) => void) {
    let expiresAt = session.expiresAt.getTime();
    let running = false;
    const look = async () => {
      await this.accessTokens.checkStillValid(session);
      if (this.clock.now() < expiresAt) return;
      const row = await this.store.get(session.id);
      if (!row) throw new SessionExpiredError();
      expiresAt = row.expires_ms;
    };
    return () => {
      if (running) return;
      running = true;
      look()
        .catch((error: unknown) => (error instanceof SessionError ? end(error) : subscriber.error(error)))
        .finally(() => (running = false));
    };
  }
}
