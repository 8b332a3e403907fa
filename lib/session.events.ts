import { Injectable, Logger } from '@nestjs/common';
import { Observable, type Observer, type Operator, Subject, Subscriber, type Subscription } from 'rxjs';
import type { SessionError, SessionErrorCode } from './session.errors.js';
import type { RotationCase, TheftClass } from './rules/rotation.js';

/** What happened to a session. No event carries a token, a secret or a key. */
export type SessionEvent =
  | { readonly type: 'session.created'; readonly sessionId: string; readonly userId: string }
  | {
      /** The refresh token was exchanged, or its exchange repeated with the same outcome. */
      readonly type: 'session.refreshed';
      readonly sessionId: string;
      readonly userId: string;
      readonly case: RotationCase;
    }
  | {
      /** A refresh token came again whose answer may have been lost: nothing to worry about, good to count. */
      readonly type: 'session.replayed';
      readonly sessionId: string;
      readonly userId: string;
      readonly case: RotationCase;
    }
  | {
      readonly type: 'session.revoked';
      readonly sessionIds: readonly string[];
      readonly reason: string;
      readonly origin: 'local' | 'remote';
    }
  | {
      readonly type: 'session.theft';
      readonly sessionId: string;
      readonly userId: string;
      readonly class: TheftClass;
      /** How many sessions were ended. */
      readonly ended: number;
    }
  | { readonly type: 'session.refused'; readonly code: SessionErrorCode; readonly sessionId?: string }
  | {
      /** This process does not hear of what others end as fast as it should, and asks the database more often. */
      readonly type: 'revocation.degraded';
      /** `poll`: the database does not answer. `listen`: it does, but notifications do not arrive. */
      readonly cause: 'poll' | 'listen';
    }
  | { readonly type: 'revocation.recovered' }
  | { readonly type: 'keys.rotated'; readonly kid: string; readonly signFrom: Date };

/**
 * An Observable that survives its subscribers: each event is delivered in a try/catch of its own, so that one that
 * throws (or rejects) is logged and harms neither the request nor the other subscribers. Also true behind `pipe`.
 */
class GuardedObservable<T> extends Observable<T> {
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>();
    lifted.source = this;
    lifted.operator = operator;
    return lifted;
  }

  override subscribe(observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const observer = typeof observerOrNext === 'function' ? { next: observerOrNext } : (observerOrNext ?? {});
    return super.subscribe({
      next: value => deliver(() => observer.next?.(value)),
      error: (error: unknown) => deliver(() => (observer.error ? observer.error(error) : report(error))),
      complete: () => deliver(() => observer.complete?.()),
    });
  }
}

const logger = new Logger('SessionEvents');

function deliver(call: () => unknown): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

function report(error: unknown): void {
  logger.error(`a subscriber of SessionService.events failed: ${error instanceof Error ? error.stack : String(error)}`);
}

/** Where the library's parts announce what happened. */
@Injectable()
export class SessionEvents {
  private readonly subject = new Subject<SessionEvent>();

  readonly observable: Observable<SessionEvent> = new GuardedObservable<SessionEvent>(subscriber =>
    this.subject.subscribe(subscriber),
  );

  emit(event: SessionEvent): void {
    logger.debug(JSON.stringify(event));
    this.subject.next(event);
  }

  refused({ errorCode, sessionId }: SessionError): void {
    this.emit({ type: 'session.refused', code: errorCode, ...(sessionId === undefined ? {} : { sessionId }) });
  }

  complete(): void {
    this.subject.complete();
  }
}
