import { describe, expect, it } from '@jest/globals';
import { LoadLimit, type Work } from '../../lib/common/load-limit.js';

const MAX_WAIT = 2_000;

/** A server that answers in the order of arrival, on so many connections, in simulated time. */
class SimulatedServer {
  readonly waits: number[] = [];
  refused = 0;
  private now = 0;
  private readonly queue: { readonly work: Work; readonly arrived: number }[] = [];
  private owed = 0;
  private readonly limit = new LoadLimit(MAX_WAIT, () => this.now);

  /** @param perSecond how many it answers */
  constructor(public perSecond: number) {}

  get waiting(): number {
    return this.limit.waiting;
  }

  arrive(): boolean {
    const work = this.limit.begin();
    if (work) this.queue.push({ work, arrived: this.now });
    else this.refused++;
    return work !== undefined;
  }

  /** So many milliseconds, in which requests arrive evenly. */
  run(milliseconds: number, arrivalsPerSecond: number): void {
    let arrivals = 0;
    for (let passed = 0; passed < milliseconds; passed++) {
      this.now++;
      arrivals += arrivalsPerSecond / 1_000;
      for (; arrivals >= 1; arrivals--) this.arrive();
      this.owed = this.queue.length === 0 ? 0 : this.owed + this.perSecond / 1_000;
      for (; this.owed >= 1 && this.queue.length > 0; this.owed--) this.answer();
    }
  }

  private answer(): void {
    const { work, arrived } = this.queue.shift()!;
    this.limit.end(work);
    this.waits.push(this.now - arrived);
  }
}

describe('the work under way', () => {
  it.each([2, 5])('at %d times saturation, what is let in is answered in time, and no capacity is lost', times => {
    const server = new SimulatedServer(1_000);
    server.run(5_000, 500);
    expect(server.refused).toBe(0);
    server.waits.length = 0;
    server.run(20_000, 1_000 * times);
    expect(server.waits.length / 20_000).toBeGreaterThan(0.98);
    expect(Math.max(...server.waits)).toBeLessThan(MAX_WAIT * 1.1);
    expect(server.refused).toBeGreaterThan(0.9 * 20_000 * (times - 1) - MAX_WAIT);
  });

  it('is bounded again soon after a server has become ten times slower', () => {
    const server = new SimulatedServer(1_000);
    server.run(5_000, 2_000);
    server.perSecond = 100;
    server.run(30_000, 2_000);
    server.waits.length = 0;
    server.run(20_000, 2_000);
    expect(Math.max(...server.waits)).toBeLessThan(MAX_WAIT * 1.1);
  });

  it('uses a server that has become faster', () => {
    const server = new SimulatedServer(100);
    server.run(30_000, 2_000);
    server.perSecond = 1_000;
    server.run(10_000, 2_000);
    server.waits.length = 0;
    server.run(10_000, 2_000);
    expect(server.waits.length / 10_000).toBeGreaterThan(0.95);
  });

  it('is not let in while nothing comes out, but for a few that find out when that is over', () => {
    const server = new SimulatedServer(1_000);
    server.run(5_000, 900);
    server.perSecond = 0;
    server.run(10_000, 900);
    expect(server.waiting).toBeLessThan(900 * 3);
    expect(server.refused).toBeGreaterThan(900 * 6);
    server.perSecond = 1_000;
    server.run(5_000, 0);
    expect(server.waiting).toBe(0);
    expect(server.arrive()).toBe(true);
  });

  it('a burst after an idle time is let in as far as it can be answered', () => {
    const server = new SimulatedServer(1_000);
    server.run(5_000, 5);
    for (let request = 0; request < 1_500; request++) server.arrive();
    expect(server.refused).toBe(0);
  });

  it('one that waits for a lock does not make the others look slow', () => {
    let now = 0;
    const limit = new LoadLimit(MAX_WAIT, () => now);
    const ahead = Array.from({ length: 40 }, () => limit.begin()!);
    const locked = limit.begin()!;
    for (const work of ahead) limit.end(work);
    for (let request = 0; request < 10_000; request++) {
      now++;
      limit.end(limit.begin()!);
    }
    limit.end(locked);
    for (let request = 0; request < 1_500; request++) expect(limit.begin()).toBeDefined();
  });
});
