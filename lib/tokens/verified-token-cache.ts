import type { Readings } from '../telemetry/telemetry.js';

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
  private hits = 0;
  private additions = 0;

  constructor(private readonly capacity = CAPACITY) {}

  get(token: string): Entry | undefined {
    const tail = token.slice(-TAIL);
    const young = this.young.get(tail);
    // Anybody can send a genuine token's tail: the whole must be the same.
    const found = young ?? this.old.get(tail);
    if (found?.token !== token) return undefined;
    if (young === undefined) this.keep(found.token.slice(-TAIL), found);
    this.hits++;
    return found.entry;
  }

  /** @param token verified: a forged one must not push out the genuine one whose tail it has */
  set(token: string, entry: Entry): void {
    // A copy, because V8 keeps the whole string of a substring alive: here a header with anything that its sender put
    // there.
    const copy = Buffer.from(token, 'latin1').toString('latin1');
    this.keep(copy.slice(-TAIL), { token: copy, entry });
    this.additions++;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** Counted in plain numbers: a counter of OpenTelemetry would take as long as finding the token. */
  get readings(): Readings {
    return {
      'jwt_session.access_token.checks': () => [
        [this.hits, { 'jwt_session.cached': true }],
        [this.additions, { 'jwt_session.cached': false }],
      ],
      'jwt_session.access_token.cached': () => this.size,
    };
  }

  private keep(tail: string, kept: Kept<Entry>): void {
    if (this.young.size >= this.capacity) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(tail, kept);
  }
}
