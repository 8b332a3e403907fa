import { describe, expect, it } from '@jest/globals';
import { Turns } from '../../lib/common/turns.js';

/** Two work at a time. Works are named by their time. */
class Line {
  readonly begun: number[] = [];
  readonly ended: number[] = [];
  readonly failed: string[] = [];
  readonly turns = new Turns(2, ({ since }) => this.ended.push(since));
  private readonly ends = new Map<number, () => void>();
  private now = 0;

  come(isNext = false): void {
    const since = ++this.now;
    const task = () => {
      this.begun.push(since);
      return new Promise<void>(end => this.ends.set(since, end));
    };
    this.turns
      .run(task, { since, ahead: 0, endedBefore: 0 }, isNext)
      .catch((error: Error) => this.failed.push(`${since}: ${error.message}`));
  }

  async end(since: number): Promise<void> {
    this.ends.get(since)!();
    await new Promise(setImmediate);
  }
}

describe('turns', () => {
  it('so many work at a time, and the others begin in the order in which they came', async () => {
    const line = new Line();
    for (let caller = 0; caller < 5; caller++) line.come();
    expect(line.begun).toEqual([1, 2]);
    expect(line.turns.waitingSince).toBe(3);
    await line.end(2);
    expect(line.begun).toEqual([1, 2, 3]);
    await line.end(1);
    await line.end(3);
    expect(line.begun).toEqual([1, 2, 3, 4, 5]);
    expect(line.turns.waitingSince).toBeUndefined();
    await line.end(4);
    await line.end(5);
    line.come();
    expect(line.begun.at(-1)).toBe(6);
    expect(line.ended).toEqual([2, 1, 3, 4, 5]);
  });

  it('one that is next does not wait, and the others begin when it and one more have ended', async () => {
    const line = new Line();
    for (let caller = 0; caller < 3; caller++) line.come();
    line.come(true);
    expect(line.begun).toEqual([1, 2, 4]);
    await line.end(4);
    expect(line.begun).toEqual([1, 2, 4]);
    await line.end(1);
    expect(line.begun).toEqual([1, 2, 4, 3]);
  });

  it('those that have waited for too long fail, and take no turn', async () => {
    const line = new Line();
    for (let caller = 0; caller < 6; caller++) line.come();
    line.turns.failSince(4, () => new Error('late'));
    expect(line.turns.waitingSince).toBe(5);
    await line.end(1);
    expect([line.begun, line.failed, line.ended]).toEqual([
      [1, 2, 5],
      ['3: late', '4: late'],
      [3, 4, 1],
    ]);
    line.turns.failSince(6, () => new Error('late'));
    await line.end(2);
    await line.end(5);
    line.come();
    expect(line.begun).toEqual([1, 2, 5, 7]);
  });

  it('a task that fails ends its turn', async () => {
    const line = new Line();
    const failing = line.turns.run(() => Promise.reject(new Error('broken')), { since: 0, ahead: 0, endedBefore: 0 });
    await expect(failing).rejects.toThrow('broken');
    for (let caller = 0; caller < 2; caller++) line.come();
    expect([line.begun, line.ended]).toEqual([[1, 2], [0]]);
  });
});
