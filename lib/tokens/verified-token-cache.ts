/** How many tokens each of the two generations holds; a token with its claims takes one to two kilobytes. */
const CAPACITY = 5_000;

/** The end of a token, which is the signature's, tells tokens apart as well as the whole and is hashed sooner. */
const TAIL = 40;

interface Kept<Entry> {
  readonly token: string;
  readonly entry: Entry;
}

/**
 * A bounded cache in two generations: when the young one is full it becomes the old one and the former old one is
 * dropped. What is used moves to the young one, so that what is dropped was not used for a while.
 */
export class VerifiedTokenCache<Entry> {
  private young = new Map<string, Kept<Entry>>();
  private old = new Map<string, Kept<Entry>>();

  constructor(private readonly capacity = CAPACITY) {}

  get(token: string): Entry | undefined {
    const tail = token.slice(-TAIL);
    const young = this.young.get(tail);
    // Anybody can send a genuine token's tail: the whole must be the same.
    if (young !== undefined) return young.token === token ? young.entry : undefined;
    const old = this.old.get(tail);
    if (old?.token !== token) return undefined;
    this.keep(old.token.slice(-TAIL), old);
    return old.entry;
  }

  /** @param token verified: a forged one must not push out the genuine one whose tail it has */
  set(token: string, entry: Entry): void {
    // A copy, because V8 keeps the whole string of a substring alive: here a header with anything that its sender put
    // there.
    const copy = Buffer.from(token, 'latin1').toString('latin1');
    this.keep(copy.slice(-TAIL), { token: copy, entry });
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  private keep(tail: string, kept: Kept<Entry>): void {
    if (this.young.size >= this.capacity) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(tail, kept);
  }
}
