import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type PollPosition, PollWindow } from '../../lib/rules/poll-window.js';

const SPAN = 600_000;
const MINUTE = 60_000;

/** A database with transactions, and a process that polls it by the rule. */
class Model {
  private readonly window = new PollWindow(SPAN);
  private readonly known = new Set<string>();
  private readonly committed: { readonly id: string; readonly at: number }[] = [];
  private readonly open: { readonly number: number; readonly rows: { id: string; at: number }[] }[] = [];
  private rows = 0;
  private nextTransaction = 100;
  private server = 'first';
  /** The time of a clock that nobody sets. */
  private time = 1_000_000_000;
  private databaseOffset = 0;
  readonly polls = { whole: 0, recent: 0 };

  get now(): number {
    return this.time + this.databaseOffset;
  }

  pass(milliseconds: number): void {
    this.time += milliseconds;
  }

  begin(): void {
    this.open.push({ number: this.nextTransaction++, rows: [] });
  }

  write(which: number): void {
    const transaction = this.open[which % this.open.length];
    transaction?.rows.push({ id: String(this.rows++), at: this.now });
  }

  commit(which: number): void {
    if (this.open.length === 0) return;
    const [transaction] = this.open.splice(which % this.open.length, 1);
    this.committed.push(...transaction!.rows);
  }

  setClock(milliseconds: number): void {
    this.databaseOffset += milliseconds;
  }

  /** A standby takes its place: what was open is gone. */
  failOver(): void {
    this.server = `${this.server}'`;
    this.open.length = 0;
  }

  poll(): void {
    const since = this.window.start();
    if (since !== undefined && this.read(since)) this.polls.recent++;
    else {
      this.read(undefined);
      this.polls.whole++;
    }
  }

  /** What a poll should have told and has not: what was committed and is not a span old. */
  get missed(): string[] {
    return this.committed.filter(({ at, id }) => at > this.now - SPAN && !this.known.has(id)).map(({ id }) => id);
  }

  private read(since: number | undefined): boolean {
    const position = this.position;
    if (since !== undefined && !this.window.continues(position, this.time)) return false;
    const from = since ?? this.now - SPAN;
    for (const { id, at } of this.committed) if (at >= from) this.known.add(id);
    this.window.complete(position, this.time, since === undefined);
    return true;
  }

  private get position(): PollPosition {
    const oldest = Math.min(this.nextTransaction, ...this.open.map(({ number }) => number));
    return {
      now: this.now,
      server: this.server,
      oldestTransaction: BigInt(oldest),
      nextTransaction: BigInt(this.nextTransaction),
    };
  }
}

describe('what a poll reads', () => {
  it('is all that was committed since the last one, however long transactions last', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant((model: Model) => model.begin()) },
      { weight: 4, arbitrary: fc.nat(7).map(which => (model: Model) => model.write(which)) },
      { weight: 2, arbitrary: fc.nat(7).map(which => (model: Model) => model.commit(which)) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 200_000 }).map(ms => (model: Model) => model.pass(ms)) },
      { weight: 1, arbitrary: fc.constant((model: Model) => model.failOver()) },
      { weight: 6, arbitrary: fc.constant((model: Model) => model.poll()) },
    );
    const polls = { whole: 0, recent: 0 };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), steps => {
        const model = new Model();
        for (const run of steps) {
          run(model);
          if (!model.missed.length) continue;
          model.poll();
          expect(model.missed).toEqual([]);
        }
        polls.whole += model.polls.whole;
        polls.recent += model.polls.recent;
      }),
      { numRuns: 500 },
    );
    // The rule is tested, and not only the whole span.
    expect(polls.recent).toBeGreaterThan(polls.whole / 10);
  });

  it('is the whole span at first, after a failure and every tenth time', () => {
    const window = new PollWindow(SPAN);
    const wholes: number[] = [];
    for (let poll = 0; poll < 25; poll++) {
      if (poll === 23) window.interrupt();
      const isWhole = window.start() === undefined;
      if (isWhole) wholes.push(poll);
      window.complete(positionAt(poll * 10_000), poll * 10_000, isWhole);
    }
    expect(wholes).toEqual([0, 10, 20, 23]);
  });

  it('is otherwise what is new since the last poll less a minute', () => {
    const window = new PollWindow(SPAN);
    window.complete(positionAt(500_000), 0, true);
    expect(window.start()).toBe(500_000 - MINUTE);
  });

  it('goes back to the poll before the oldest open transaction, and is the whole span where that is too long ago', () => {
    const window = new PollWindow(SPAN);
    window.complete({ ...positionAt(0), nextTransaction: 10n, oldestTransaction: 10n }, 0, true);
    for (const at of [10_000, 20_000, 500_000]) {
      window.complete({ ...positionAt(at), nextTransaction: 20n, oldestTransaction: 10n }, at, false);
      expect(window.start()).toBe(-MINUTE);
    }
    window.complete({ ...positionAt(600_000), nextTransaction: 20n, oldestTransaction: 10n }, 600_000, false);
    expect(window.start()).toBeUndefined();
    // It has ended.
    window.complete({ ...positionAt(610_000), nextTransaction: 20n, oldestTransaction: 20n }, 610_000, true);
    expect(window.start()).toBe(610_000 - MINUTE);
  });

  it.each([
    ['another server', { server: 'standby' }],
    ["a database's clock that was set back by a minute", { now: 950_000 }],
    ['a restored copy, whose transactions are older', { nextTransaction: 99n, oldestTransaction: 99n }],
  ])('%s: what is new does not suffice', (_, change) => {
    const window = new PollWindow(SPAN);
    window.complete(positionAt(1_000_000), 0, true);
    expect(window.continues(positionAt(1_010_000), 10_000)).toBe(true);
    expect(window.continues({ ...positionAt(1_010_000), ...change }, 10_000)).toBe(false);
  });

  it('is all that was committed also while the clock of the database is set back by less than half a minute', () => {
    const model = new Model();
    model.poll();
    model.pass(10_000);
    model.setClock(-29_000);
    model.begin();
    model.write(0);
    model.commit(0);
    model.poll();
    expect(model.missed).toEqual([]);
    expect(model.polls).toEqual({ whole: 1, recent: 1 });
  });

  it('finds what was stamped by a clock that was set back, and right afterwards forward, with the next whole span', () => {
    const model = new Model();
    model.poll();
    model.begin();
    model.setClock(-300_000);
    model.write(0);
    model.setClock(300_000);
    model.commit(0);
    for (let poll = 0; poll < 10; poll++) model.poll();
    expect(model.missed).toEqual([]);
  });
});

function positionAt(now: number): PollPosition {
  return { now, server: 'primary', oldestTransaction: 100n, nextTransaction: 100n };
}
