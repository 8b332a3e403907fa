import type { Operation } from './settings.js';

/** The history of a campaign, as its clients saw it. Times are milliseconds since the start, by one clock. */
export type Entry = Exchange | Copied | TheftReported | CommitsLost | Defect | NotRecovered;

export type Action = 'log-in' | 'refresh' | 'use' | Operation['verb'];

/** A request, and its answer if the client read one in time. Without an answer its effect is unknown. */
export interface Exchange {
  readonly kind: 'exchange';
  readonly who: string;
  readonly role: 'honest' | 'thief' | 'operator';
  readonly action: Action;
  readonly process: string;
  readonly sentAt: number;
  /** When the answer was read, or the request given up. */
  readonly endedAt: number;
  /** The session whose token the client sent, that the operation is about, or that the log-in has begun. */
  readonly sessionId?: string;
  readonly userId?: string;
  readonly answer?: Answered;
  /** In a use: when the exchange began and ended that brought the access token. */
  readonly issued?: Interval;
  /** In `set-claims`: the claim that is set, which only grows. */
  readonly change?: number;
}

export interface Answered {
  readonly status: number;
  readonly code?: string;
  readonly retryAfter?: string;
  /** In a use: the claim that the access token has. */
  readonly change?: number;
  /** In a list. */
  readonly sessions?: readonly string[];
}

export interface Interval {
  readonly from: number;
  readonly until: number;
}

/** A thief has copied the tokens of a session. */
export interface Copied {
  readonly kind: 'copied';
  readonly at: number;
  readonly sessionId: string;
}

/** The event `session.theft` of a process. */
export interface TheftReported {
  readonly kind: 'theft';
  readonly at: number;
  readonly sessionId: string;
  readonly class: string;
  readonly process: string;
}

/** A failover to a standby that lacks the last commits. */
export interface CommitsLost extends Interval {
  readonly kind: 'commits-lost';
}

/** An unhandled error, or a process that ended without a signal. */
export interface Defect {
  readonly kind: 'defect';
  readonly at: number;
  readonly description: string;
}

/** A client that a process does not serve after the last fault. */
export interface NotRecovered {
  readonly kind: 'not-recovered';
  readonly at: number;
  readonly description: string;
}
