import { hash } from 'node:crypto';

/**
 * Remembers which proofs were used, for at least the time in which they count. In two generations: when the young one is
 * old enough or full it becomes the old one, and the former old one is dropped.
 */
export class ReplayMemory {
  private young = new Set<string>();
  private old = new Set<string>();
  private youngSince = 0;

  /**
   * @param lifetime milliseconds in which a proof counts
   * @param capacity entries of each generation
   * @param onFull called when proofs are forgotten before their time
   */
  constructor(
    private readonly lifetime: number,
    private readonly onFull: () => void,
    private readonly capacity = 50_000,
  ) {}

  /** @returns false where the proof was used before */
  use(key: string, id: string, now: number): boolean {
    // The hash bounds the memory: clients choose their ids.
    const entry = hash('sha256', `${key} ${id}`, 'base64url');
    const age = now - this.youngSince;
    // After twice the lifetime nothing of the young generation counts any more either.
    if (age >= this.lifetime) this.turn(now, age < 2 * this.lifetime ? this.young : new Set());
    if (this.young.has(entry) || this.old.has(entry)) return false;
    if (this.young.size >= this.capacity) {
      if (this.old.size > 0) this.onFull();
      this.turn(now, this.young);
    }
    this.young.add(entry);
    return true;
  }

  private turn(now: number, old: Set<string>): void {
    this.old = old;
    this.young = new Set();
    this.youngSince = now;
  }
}
