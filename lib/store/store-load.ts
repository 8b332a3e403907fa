import { Injectable } from '@nestjs/common';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { LoadLimit, type Work } from '../common/load-limit.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { maxRequestAge } from '../rules/rotation.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import type { LoadStatus } from '../session.types.js';

/** An overload is over when no request was refused for this time. */
const QUIET_MS = 5_000;

interface Overload {
  readonly error: SessionStoreUnavailableError;
  refused: number;
}

/**
 * Refuses requests that the database could not answer in time. Without this a queue grows until its clients give up,
 * and the database works for clients that are gone.
 *
 * | request | bounded |
 * |---|---|
 * | login, refresh, check of a session in the database | yes |
 * | guarded request that memory answers | no: it needs no database |
 * | log-out, revocation | no: a revocation must not fail because others log in |
 */
@Injectable()
export class StoreLoad {
  private readonly limit: LoadLimit;
  private refused = 0;
  private overload?: Overload;

  constructor(
    { overload, session }: ResolvedSessionOptions,
    clock: SessionClock,
    private readonly timers: SessionTimers,
    private readonly events: SessionEvents,
  ) {
    // Later than this a refresh changes nothing.
    const maxWait = Math.min(overload.maxWait ?? Infinity, maxRequestAge(session.leeway));
    this.limit = new LoadLimit(overload.maxWait === null ? Infinity : maxWait, () => clock.monotonic());
  }

  get status(): LoadStatus {
    return { waiting: this.limit.waiting, refused: this.refused };
  }

  /**
   * Called before anything is done for a request.
   *
   * @throws SessionStoreUnavailableError where too many wait
   */
  begin(): Work {
    const work = this.limit.begin();
    if (work) return work;
    throw this.refuse();
  }

  end(work: Work): void {
    this.limit.end(work);
  }

  private refuse(): SessionStoreUnavailableError {
    this.refused++;
    if (!this.overload) {
      this.overload = {
        // One for all: the stack of an error takes longer than all else that a refusal does.
        error: new SessionStoreUnavailableError(
          'Too many requests wait for the session store: try again; repeating is safe',
        ),
        refused: 0,
      };
      this.events.emit({ type: 'store.overloaded', waiting: this.limit.waiting });
      this.awaitQuiet(this.overload, 0);
    }
    this.overload.refused++;
    return this.overload.error;
  }

  private awaitQuiet(overload: Overload, before: number): void {
    this.timers.after(QUIET_MS, () => {
      const { refused } = overload;
      if (refused > before) return this.awaitQuiet(overload, refused);
      this.overload = undefined;
      this.events.emit({ type: 'store.recovered', refused });
    });
  }
}
