import { Injectable } from '@nestjs/common';
import type { SessionError, SessionErrorCode } from './session.errors.js';
import { EventStream } from './common/event-stream.js';
import type { RotationCase } from './rules/rotation.js';
import type { KeyKind } from './rules/session-key.js';
import type { SessionActor } from './session.types.js';
import type { TheftClass } from './rules/theft.js';

/** What happened to a session. No event carries a token, a secret or a key. */
export type SessionEvent =
  | {
      readonly type: 'session.created';
      readonly sessionId: string;
      readonly userId: string;
      /** As much of the address as `devices.ip` lets be stored. */
      readonly ip?: string;
      /** Where `devices.userAgent` is `full`. */
      readonly userAgent?: string;
      /** True where the user has logged in before, but not on this device. Absent where devices are not recognised. */
      readonly newDevice?: boolean;
    }
  | {
      /** An actor began to act as the user. Its end is `session.revoked`, in which `sessionIds` has its id. */
      readonly type: 'session.impersonated';
      readonly sessionId: string;
      readonly userId: string;
      readonly actor: SessionActor;
      readonly reason?: string;
    }
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
      /**
       * The database has lost commits of the session, and it goes on: its client has brought a refresh token that the row
       * does not know, and the access token that was issued with it. Without a failover or a restore it is an alarm.
       */
      readonly type: 'session.recovered';
      readonly sessionId: string;
      readonly userId: string;
    }
  | {
      /** The same without that access token: the client has to log in again. */
      readonly type: 'session.lost';
      readonly sessionId: string;
      readonly userId: string;
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
  | {
      /** From now on refreshing the session needs a proof of the key that it is bound to. */
      readonly type: 'session.bound';
      readonly sessionId: string;
      readonly userId: string;
      readonly kind: KeyKind;
    }
  | { readonly type: 'session.refused'; readonly code: SessionErrorCode; readonly sessionId?: string }
  | {
      /**
       * This process learns of revocations in other processes later than it should, and asks the database more often.
       */
      readonly type: 'revocation.degraded';
      /** `poll`: the database does not answer. `listen`: it does, but notifications, or those of the announcer, do not arrive. */
      readonly cause: 'poll' | 'listen';
    }
  | { readonly type: 'revocation.recovered' }
  | {
      /** Requests are refused, because the database would answer them too late: `session.refused` comes for each. */
      readonly type: 'store.overloaded';
      /** How many requests wait for the database. */
      readonly waiting: number;
    }
  | {
      /** Nothing was refused for five seconds. */
      readonly type: 'store.recovered';
      /** How many requests were refused. */
      readonly refused: number;
    }
  | { readonly type: 'keys.rotated'; readonly kid: string; readonly signFrom: Date };

/** The events of the session module. */
@Injectable()
export class SessionEvents extends EventStream<SessionEvent> {
  constructor() {
    super('SessionEvents', 'SessionService.events');
  }

  refused({ errorCode, sessionId }: SessionError): void {
    this.emit({ type: 'session.refused', code: errorCode, ...(sessionId === undefined ? {} : { sessionId }) });
  }
}
