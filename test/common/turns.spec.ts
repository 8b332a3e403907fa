import { describe, expect, it } from '@jest/globals';
import { Turns } from '../../lib/common/turns.js';

class Line {
  now = 0;
  readonly begun: number[] = [];
  readonly failed: string[] = [];
  readonly turns = new Turns(2, () => this.now);

  come(isNext = false): void {
    const came = ++this.now;
    const turn = this.turns.begin(isNext);
    if (!turn) this.begun.push(came);
    else
      turn.then(
        () => this.begun.push(came),
        (error: Error) => this.failed.push(`${came}: ${error.message}`),
      );
  }

  async end(): Promise<void> {
    this.turns.end();
    await new Promise(setImmediate);
  }
}

describe('turns', () => {
  it('so many work at a time, and the others begin in the order in which they came', async () => {
    const line = new Line();
    for (let caller = 0; caller < 5; caller++) line.come();
    expect(line.begun).toEqual([1, 2]);
    await line.end();
    expect(line.begun).toEqual([1, 2, 3]);
    await line.end();
    await line.end();
    expect(line.begun).toEqual([1, 2, 3, 4, 5]);
    await line.end();
    await line.end();
    line.come();
    expect(line.begun.at(-1)).toBe(6);
  });

  it('one that is next does not wait, and the others begin when it and one more have ended', async () => {
    const line = new Line();
    for (let caller = 0; caller < 3; caller++) line.come();
    line.come(true);
    expect(line.begun).toEqual([1, 2, 4]);
    await line.end();
    expect(line.begun).toEqual([1, 2, 4]);
    await line.end();
    expect(line.begun).toEqual([1, 2, 4, 3]);
  });

  it('those that have waited for too long fail, and take no turn', async () => {
    const line = new Line();
    for (let caller = 0; caller < 6; caller++) line.come();
    const next = line.turns.failSince(4, () => new Error('late'));
    expect(next).toBe(5);
    await line.end();
    expect([line.begun, line.failed]).toEqual([
      [1, 2, 5],
      ['3: late', '4: late'],
    ]);
    expect(line.turns.failSince(6, () => new Error('late'))).toBeUndefined();
    await line.end();
    await line.end();
    line.come();
    expect(line.begun).toEqual([1, 2, 5, 7]);
  });
});
