import { Injectable, Logger, type MessageEvent } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { SessionEntity, type SessionEvent, SessionService, type UserSession } from 'nestjs-jwt-session';
import {
  catchError,
  concatMap,
  debounceTime,
  distinctUntilChanged,
  EMPTY,
  endWith,
  exhaustMap,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  takeUntil,
  takeWhile,
  timer,
} from 'rxjs';
import { In, type Repository } from 'typeorm';

/** How often a stream looks at its session, in milliseconds. */
const PULSE = 1_000;
/** How long events may settle before the session is looked at, in milliseconds. */
const SETTLED = 50;

interface Standing {
  readonly generation: number;
  /** Whether the next generation has been handed out and was not seen in use yet. */
  readonly minted: boolean;
  readonly lastCase: string | null;
  /** Milliseconds until the leeway window ends. */
  readonly windowLeft: number;
  readonly revokedReason: string | null;
  readonly expired: boolean;
}

/** What a user may see of their own session while it lives: how it stands, and what happens to it. No token, no hash. */
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
    const told = events.pipe(
      concatMap(event => this.ownPart(event, session)),
      filter(event => event !== undefined),
      map(event => ({ type: 'happened', data: { ...event, at: new Date() } })),
    );
    const standing = merge(timer(0, PULSE), events.pipe(debounceTime(SETTLED))).pipe(
      exhaustMap(() => this.standingOf(session.id)),
      map(messageOf),
      distinctUntilChanged((before, now) => JSON.stringify(before) === JSON.stringify(now)),
    );
    return merge(told, standing).pipe(
      takeWhile(({ type }) => type !== 'ended', true),
      // The application closes: an open stream must not keep it.
      takeUntil(events.pipe(ignoreElements(), endWith(undefined))),
      catchError((error: unknown) => {
        this.logger.error(error instanceof Error ? error.message : String(error));
        // The browser connects again.
        return EMPTY;
      }),
    );
  }

  /** An event as this user may see it, or undefined. */
  private ownPart(event: SessionEvent, { userId }: UserSession): Observable<object | undefined> {
    switch (event.type) {
      case 'keys.rotated':
      case 'revocation.degraded':
      case 'revocation.recovered':
        return from([event]);
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

  private async standingOf(id: string): Promise<Standing | undefined> {
    return this.rows
      .createQueryBuilder('session')
      .select('session.generation', 'generation')
      .addSelect('session.successorHash IS NOT NULL', 'minted')
      .addSelect('session.lastCase', 'lastCase')
      .addSelect('session.revokedReason', 'revokedReason')
      .addSelect('session.expiresAt <= clock_timestamp()', 'expired')
      .addSelect(
        'greatest(0, ceil(extract(epoch FROM session.leewayUntil - clock_timestamp()) * 1000))::integer',
        'windowLeft',
      )
      .where('session.id = :id', { id })
      .getRawOne<Standing>();
  }
}

function messageOf(standing: Standing | undefined): { type: string; data: object } {
  if (!standing || standing.expired) return { type: 'ended', data: { code: 'session_expired' } };
  const { revokedReason, expired: _expired, ...shown } = standing;
  if (revokedReason === null) return { type: 'standing', data: shown };
  const code = revokedReason.startsWith('theft:') ? 'token_theft_detected' : 'session_revoked';
  return { type: 'ended', data: { code } };
}
