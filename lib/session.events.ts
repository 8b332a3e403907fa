import { Injectable, Logger } from '@nestjs/common';
import { type Observable, Subject } from 'rxjs';
import type { SessionError, SessionErrorCode } from './session.errors.js';
import { GuardedObservable } from './common/observable.js';
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
      readonly source: 'local' | 'remote';
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

const logger = new Logger('SessionEvents');

/** Where the library's parts announce what happened. */
@Injectable()
export class SessionEvents {
  private readonly subject = new Subject<SessionEvent>();

  readonly observable: Observable<SessionEvent> = new GuardedObservable<SessionEvent>(
    'SessionService.events',
    subscriber => this.subject.subscribe(subscriber),
  );

  emit(event: SessionEvent): void {
    if (Logger.isLevelEnabled('debug')) logger.debug(JSON.stringify(event));
    this.subject.next(event);
  }

  refused({ errorCode, sessionId }: SessionError): void {
    this.emit({ type: 'session.refused', code: errorCode, ...(sessionId === undefined ? {} : { sessionId }) });
  }

  complete(): void {
    this.subject.complete();
  }
}
