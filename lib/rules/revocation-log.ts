/** What an id can be of: a session that ended, a user or claims whose version was raised. */
export type FactKind = 'sessions' | 'users' | 'claims';

export interface LoggedFact {
  readonly kind: FactKind;
  readonly id: string;
  /** The reason of a session; the version of a user or of claims. */
  readonly value: string | number;
  /** By the monotonic clock. */
  readonly at: number;
}

/** The log is shortened once per this part of the span, because each time moves all facts that stay. */
const MOMENT = 1 / 100;

/**
 * The facts that a process has learned, in that order and numbered from 0: another process reads what it has not read
 * yet. Facts older than the span concern no valid access token and are dropped; later facts keep their numbers.
 */
export class RevocationLog {
  private facts: LoggedFact[] = [];
  /** The number of the first fact that is kept. */
  private first = 0;

  /** @param span milliseconds for which an access token can outlive its revocation */
  constructor(private readonly span: number) {}

  append(fact: LoggedFact): void {
    this.forget(fact.at);
    this.facts.push(fact);
  }

  /**
   * @param from the number of the first fact to read; a number that was not given out yet reads everything
   * @returns at most `limit` facts, and the number that follows the last of them
   */
  read(from: number, limit: number, now: number): { facts: LoggedFact[]; next: number; more: boolean } {
    this.forget(now);
    const end = this.first + this.facts.length;
    const start = from > end ? this.first : Math.max(from, this.first);
    const next = Math.min(start + limit, end);
    return { facts: this.facts.slice(start - this.first, next - this.first), next, more: next < end };
  }

  private forget(now: number): void {
    const oldest = this.facts[0];
    if (oldest === undefined || oldest.at + this.span * (1 + MOMENT) > now) return;
    const kept = this.facts.findIndex(({ at }) => at + this.span > now);
    const forgotten = this.facts.splice(0, kept < 0 ? this.facts.length : kept);
    this.first += forgotten.length;
  }
}
