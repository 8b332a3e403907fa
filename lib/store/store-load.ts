import { Injectable } from '@nestjs/common';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { LoadLimit } from '../common/load-limit.js';
import { Turns } from '../common/turns.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { maxRequestAge } from '../rules/rotation.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import { SessionEvents } from '../session.events.js';
import type { LoadStatus } from '../session.types.js';

/**
 * How many work at a time: enough to keep connections and processors busy. More of them would fill the pool's queue, in
 * which log-outs and the application's own statements wait, too.
 */
const MOST_WORKING = 256;

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
  private readonly turns: Turns;
  private readonly maxWait: number;
  private watches = false;
  private refused = 0;
  private overload?: Overload;

  constructor(
    { overload, session }: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
    private readonly events: SessionEvents,
  ) {
    // Later than this a refresh changes nothing.
    this.maxWait = overload.maxWait === null ? Infinity : Math.min(overload.maxWait, maxRequestAge(session.leeway));
    const monotonic = () => clock.monotonic();
    this.limit = new LoadLimit(this.maxWait, monotonic);
    this.turns = new Turns(overload.maxWait === null ? Infinity : MOST_WORKING, monotonic);
  }

  get status(): LoadStatus {
    return { waiting: this.limit.waiting, refused: this.refused };
  }

  /**
   * Does what needs the database, in its turn.
   *
   * @param isNext for what must not wait for others, because they may wait for it: it holds a connection
   * @throws SessionStoreUnavailableError where too many wait, before anything is done, and what the task throws
   */
  async run<T>(task: () => Promise<T>, isNext = false): Promise<T> {
    const work = this.limit.begin();
    if (!work) throw this.refuse();
    try {
      const turn = this.turns.begin(isNext);
      if (turn) {
        this.watch(this.maxWait);
        await turn;
      }
      try {
        return await task();
      } finally {
        this.turns.end();
      }
    } finally {
      this.limit.end(work);
    }
  }

  /** Those that wait for longer than they were let in for are refused: nothing comes out any more. */
  private watch(milliseconds: number): void {
    if (this.watches) return;
    this.watches = true;
    this.timers.after(milliseconds, () => {
      this.watches = false;
      const now = this.clock.monotonic();
      const next = this.turns.failSince(now - this.maxWait, () => this.refuse());
      if (next !== undefined) this.watch(next + this.maxWait - now);
    });
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
