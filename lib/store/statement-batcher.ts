import { SessionStoreUnavailableError } from '../session.errors.js';
import type { SessionTimers } from '../common/clock.js';
import type { Telemetry } from '../telemetry/telemetry.js';

/** Several batches keep the database busy while this process works on earlier results. */
const MAX_BATCH_SIZE = 16;

/** How a kind of request is answered: many by one statement, or one by itself. */
export interface BatchedStatement<Request, Answer> {
  /** Requests of one statement have different keys, such as the id of the row that each changes. */
  readonly keyOf: (request: Request) => string;
  /**
   * One statement for all; answers by key. A request without an answer runs alone. The statement must not wait for
   * locks.
   */
  readonly many: (requests: readonly Request[]) => Promise<ReadonlyMap<string, Answer>>;
  readonly one: (request: Request) => Promise<Answer>;
}

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly answer: (answer: Answer | Promise<Answer>) => void;
  readonly fail: (error: unknown) => void;
  /** What the request belongs to, for its spans. */
  readonly context: Telemetry['context'] | undefined;
}

/**
 * Requests of one turn of the event loop share a statement, as loads do in DataLoader: the round trip and the commit
 * are most of a statement's cost. A request that comes while no statement runs does not wait, and has a statement of
 * its own. A request that fails does not fail the others.
 */
export class StatementBatcher<Request, Answer> {
  private waiting: Waiting<Request, Answer>[] = [];
  /** Statements that were sent and have no answer yet. */
  private running = 0;

  constructor(
    private readonly statement: BatchedStatement<Request, Answer>,
    private readonly timers: SessionTimers,
    private readonly telemetry?: Telemetry,
    private readonly isAlwaysAlone = false,
  ) {}

  /**
   * @param isAlone whether the request has a statement of its own, at once
   * @throws what the statement for one request throws
   */
  run(
    request: Request,
    isAlone = this.isAlwaysAlone || (this.running === 0 && this.waiting.length === 0),
  ): Promise<Answer> {
    if (isAlone) {
      this.running++;
      return this.statement.one(request).finally(() => this.running--);
    }
    return new Promise((answer, fail) => {
      this.waiting.push({ request, answer, fail, context: this.telemetry?.context });
      if (this.waiting.length === 1) this.timers.atEndOfTurn(() => this.send());
    });
  }

  private send(): void {
    const waiting = this.waiting;
    this.waiting = [];
    const shared = new Map<string, Waiting<Request, Answer>>();
    for (const each of waiting) {
      const key = this.statement.keyOf(each.request);
      // A statement changes a row once: a second request for the row runs alone and waits for the row's lock.
      if (shared.has(key)) each.answer(this.runAlone(each));
      else shared.set(key, each);
    }
    const requests = [...shared.values()];
    for (let from = 0; from < requests.length; from += MAX_BATCH_SIZE) {
      void this.runMany(requests.slice(from, from + MAX_BATCH_SIZE));
    }
  }

  private async runMany(all: Waiting<Request, Answer>[]): Promise<void> {
    let answers: ReadonlyMap<string, Answer> = new Map();
    this.running++;
    try {
      if (all.length > 1) answers = await this.runShared(all);
    } catch (error) {
      // The outcome is unknown: fail them all. Any other error rolled back and was caused by one request: retry each
      // alone.
      if (error instanceof SessionStoreUnavailableError) return all.forEach(({ fail }) => fail(error));
    } finally {
      this.running--;
    }
    for (const each of all) each.answer(answers.get(this.statement.keyOf(each.request)) ?? this.runAlone(each));
  }

  private runShared(all: Waiting<Request, Answer>[]): Promise<ReadonlyMap<string, Answer>> {
    const run = () => this.statement.many(all.map(({ request }) => request));
    if (!this.telemetry) return run();
    return this.telemetry.shared(
      all.map(({ context }) => context!),
      run,
    );
  }

  private runAlone({ request, context }: Waiting<Request, Answer>): Promise<Answer> {
    const run = () => this.run(request, true);
    return this.telemetry ? this.telemetry.within(context!, run) : run();
  }
}
