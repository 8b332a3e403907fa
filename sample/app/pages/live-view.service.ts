import { Injectable, Logger, type MessageEvent } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import {
  SessionEntity,
  type SessionEvent,
  SessionService,
  SessionStoreUnavailableError,
  type UserSession,
} from 'nestjs-jwt-session';
import {
  catchError,
  concatAll,
  debounceTime,
  distinctUntilChanged,
  delayWhen,
  EMPTY,
  exhaustMap,
  filter,
  from,
  map,
  merge,
  type Observable,
  of,
  takeWhile,
  timer,
} from 'rxjs';
import { In, type Repository } from 'typeorm';

/** How often a stream reads its session, in milliseconds. */
const PULSE = 1_000;
/** How long a stream waits after an event before it reads the session, in milliseconds. */
const SETTLED = 50;
/** How long a stream outlives its session, in milliseconds: other events of its end may come later. */
const LAST_WORDS = 1_000;

/** The cases of a refresh by the letters that rows have of them (docs/protocol.md). */
const CASES: Readonly<Record<string, string>> = {
  m: 'mint',
  r: 'retry-in-window',
  l: 'retry-of-lost-response',
  u: 'unchanged',
  c: 'confirm',
  n: 'confirm-and-mint',
  p: 'late-parent',
  k: 'proved',
  b: 'proved',
  a: 'confirmed-by-use',
};

interface SessionState {
  readonly generation: number;
  /** Whether the next generation has been handed out and was not seen in use yet. */
  readonly minted: boolean;
  readonly lastCase: string | null;
  /** Whether refreshing needs a proof of the browser's key. */
  readonly bound: boolean;
  /** Milliseconds until the leeway window ends. */
  readonly windowLeft: number;
}

/**
 * What a user may see of their own session while it lives: its state and its events, without tokens and hashes.
 */
@Injectable()
export class LiveView {
  private readonly logger = new Logger(LiveView.name);

  constructor(
    private readonly sessions: SessionService,
    @InjectRepository(SessionEntity) private readonly rows: Repository<SessionEntity>,
  ) {}

  /** Ends with the session: the guard has let the stream in once, and a stream can outlive many an access token. */
  watch(session: UserSession): Observable<MessageEvent> {
    const { events } = this.sessions;
    const happened = events.pipe(map(event => this.happened(event, session)));
    const ended = this.sessions.endOf(session).pipe(
      // A process that shuts down waits for its connections.
      delayWhen(error => (error instanceof SessionStoreUnavailableError ? of(0) : timer(LAST_WORDS))),
      map(({ errorCode }) => of({ type: 'ended', data: { code: errorCode } })),
    );
    // One queue, so that the end comes after the last events.
    const told = merge(happened, ended).pipe(concatAll());
    const states = merge(timer(0, PULSE), events.pipe(debounceTime(SETTLED))).pipe(
      exhaustMap(() => this.stateOf(session.id)),
      filter(row => row !== undefined),
      map(row => ({ type: 'state', data: row })),
      distinctUntilChanged((before, now) => JSON.stringify(before) === JSON.stringify(now)),
    );
    return merge(told, states).pipe(
      takeWhile(({ type }) => type !== 'ended', true),
      catchError((error: unknown) => {
        this.logger.error(error instanceof Error ? error.message : String(error));
        // The browser connects again.
        return EMPTY;
      }),
    );
  }

  private happened(event: SessionEvent, session: UserSession): Observable<MessageEvent> {
    return this.ownPart(event, session).pipe(
      filter(part => part !== undefined),
      map(part => ({ type: 'happened', data: { ...part, at: new Date() } })),
    );
  }

  /** An event as this user may see it, or undefined. */
  private ownPart(event: SessionEvent, { userId }: UserSession): Observable<object | undefined> {
    switch (event.type) {
      case 'keys.rotated':
      case 'revocation.degraded':
      case 'revocation.recovered':
        return from([event]);
      // What the operator needs to know, and no user.
      case 'store.overloaded':
      case 'store.recovered':
        return from([undefined]);
      // Both are told, and neither learns the user id of the other.
      case 'session.impersonated': {
        const { userId: owner, actor, ...shown } = event;
        return from([owner === userId || actor.userId === userId ? shown : undefined]);
      }
      case 'session.revoked':
        return from(this.ownOf(event.sessionIds, userId)).pipe(
          map(sessionIds => (sessionIds.length > 0 ? { ...event, sessionIds } : undefined)),
        );
      case 'session.refused':
        return from(this.ownOf(event.sessionId ? [event.sessionId] : [], userId)).pipe(
          map(([sessionId]) => (sessionId ? event : undefined)),
        );
      default: {
        const { userId: owner, ...shown } = event;
        return from([owner === userId ? shown : undefined]);
      }
    }
  }

  private async ownOf(ids: readonly string[], userId: string): Promise<string[]> {
    if (ids.length === 0) return [];
    const own = await this.rows.find({ select: { id: true }, where: { id: In([...ids]), userId } });
    return own.map(({ id }) => id);
  }

  private async stateOf(id: string): Promise<SessionState | undefined> {
    const state = await this.rows
      .createQueryBuilder('session')
      .select('session.generation', 'generation')
      .addSelect('session.successorHash IS NOT NULL', 'minted')
      .addSelect('session.lastCase', 'lastCase')
      .addSelect('session.keyThumbprint IS NOT NULL', 'bound')
      .addSelect(
        'greatest(0, ceil(extract(epoch FROM session.leewayUntil - clock_timestamp()) * 1000))::integer',
        'windowLeft',
      )
      .where('session.id = :id', { id })
      .getRawOne<SessionState>();
    return state && { ...state, lastCase: state.lastCase && (CASES[state.lastCase] ?? state.lastCase) };
  }
}
