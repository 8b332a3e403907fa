/** How many tokens each of the two generations holds; a token with its claims takes one to two kilobytes. */
const CAPACITY = 5_000;

/**
 * A bounded cache in two generations: when the young one is full it becomes the old one and the former old one is
 * dropped. What is used moves to the young one, so that what is dropped was not used for a while.
 */
export class VerifiedTokenCache<Entry> {
  private young = new Map<string, Entry>();
  private old = new Map<string, Entry>();

  constructor(private readonly capacity = CAPACITY) {}

  get(token: string): Entry | undefined {
    const young = this.young.get(token);
    if (young !== undefined) return young;
    const old = this.old.get(token);
    if (old !== undefined) this.set(token, old);
    return old;
  }

  set(token: string, entry: Entry): void {
    if (this.young.size >= this.capacity) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(token, entry);
  }

  get size(): number {
    return this.young.size + this.old.size;
  }
}
