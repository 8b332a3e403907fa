import { SessionStoreUnavailableError } from '../session.errors.js';
import type { SessionTimers } from '../common/clock.js';

/** How many requests share a statement at most: the database works on one while this process is at the answers of another. */
const MAX_BATCH_SIZE = 16;

/** How a kind of request is answered: several at once, or one by itself. */
export interface SharedStatement<Request, Answer> {
  /** What no two requests in one statement have in common, as the id of the row that they change. */
  readonly keyOf: (request: Request) => string;
  /** One statement for all; by key. What it does not answer is asked alone. It must wait for nobody's lock. */
  readonly together: (requests: readonly Request[]) => Promise<ReadonlyMap<string, Answer>>;
  readonly alone: (request: Request) => Promise<Answer>;
}

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly answer: (answer: Answer | Promise<Answer>) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Lets requests that arrive in the same turn of the event loop share one statement: a round trip and a commit are most of
 * what each costs. One that is alone in its turn does not wait for others, and no request fails for another's sake.
 */
export class StatementBatcher<Request, Answer> {
  private waiting: Waiting<Request, Answer>[] = [];

  constructor(
    private readonly statement: SharedStatement<Request, Answer>,
    private readonly timers: SessionTimers,
  ) {}

  /** @throws what asking alone throws */
  ask(request: Request): Promise<Answer> {
    return new Promise((answer, fail) => {
      this.waiting.push({ request, answer, fail });
      if (this.waiting.length === 1) this.timers.atEndOfTurn(() => this.send());
    });
  }

  private send(): void {
    const waiting = this.waiting;
    this.waiting = [];
    const shared = new Map<string, Waiting<Request, Answer>>();
    for (const each of waiting) {
      const key = this.statement.keyOf(each.request);
      // A statement changes a row once: who asks for the same row again is asked alone, and waits for its lock.
      if (shared.has(key)) this.askAlone(each);
      else shared.set(key, each);
    }
    const requests = [...shared.values()];
    for (let from = 0; from < requests.length; from += MAX_BATCH_SIZE) {
      void this.askTogether(requests.slice(from, from + MAX_BATCH_SIZE));
    }
  }

  private askAlone({ request, answer }: Waiting<Request, Answer>): void {
    answer(this.statement.alone(request));
  }

  private async askTogether(all: Waiting<Request, Answer>[]): Promise<void> {
    if (all.length === 1) return this.askAlone(all[0]!);
    let answers: ReadonlyMap<string, Answer> = new Map();
    try {
      answers = await this.statement.together(all.map(({ request }) => request));
    } catch (error) {
      // What became of the statement nobody knows. Any other failure has written nothing, and is one request's fault.
      if (error instanceof SessionStoreUnavailableError) return all.forEach(({ fail }) => fail(error));
    }
    for (const each of all) {
      const answer = answers.get(this.statement.keyOf(each.request));
      if (answer === undefined) this.askAlone(each);
      else each.answer(answer);
    }
  }
}
