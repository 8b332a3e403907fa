/**
 * How this process learned of a revocation.
 *
 * | learned from | counts for | must be repeated by polls |
 * |---|---|---|
 * | `commit` | one span | yes: this process committed it |
 * | `poll` | one span | until it is a span old |
 * | `answer` | one span | no: the database was asked about this session alone, or another process says it once |
 * | `hint` | until the next poll is over, unless that poll confirms it | no: any process may have sent the notification |
 */
export type LearnedFrom = 'commit' | 'poll' | 'answer' | 'hint';

export interface Learning {
  readonly from: LearnedFrom;
  readonly now: number;
  readonly span: number;
  /** The number of the last poll that was started. */
  readonly poll: number;
}

/** Hints of one kind that are kept until the next poll: they must not fill the memory. */
const MAX_HINTS = 10_000;

/** Times are rounded to this part of the span, so that facts share them. */
const MOMENT = 1 / 100;

/** Facts that are forgotten at once: more would hold up the event loop. */
const MAX_FORGOTTEN = 4_000;

/** What facts have in common is kept once: a fact takes its id and a place in a map. */
interface Group<T> {
  readonly value: T;
  /** The last poll that repeated the facts, or before which they were committed. */
  readonly confirmedIn: number;
  /** When they happened, on the monotonic clock. Polls that read back to then repeat them; -Infinity if none does. */
  readonly happenedAt: number;
  readonly forgetAt: number;
  size: number;
  /** Where the facts go when a later poll repeats them. */
  next?: Group<T>;
}

interface Hint<T> {
  readonly value: T;
  readonly poll: number;
  readonly forgetAt: number;
}

/**
 * The facts about ids of one kind. Values only grow, so the order in which they arrive does not matter.
 *
 * A poll may repeat hundreds of thousands of facts. Therefore its end looks at the groups of facts and at the hints.
 */
export class Knowledge<T> {
  /** In the order in which facts are forgotten. */
  private readonly facts = new Map<string, Group<T>>();
  private readonly groups = new Set<Group<T>>();
  /** The last group of each value that is forgotten at `latestForgetAt`. */
  private readonly latest = new Map<T, Group<T>>();
  private latestForgetAt = 0;
  /** Each says more than the fact about its id. */
  private readonly hints = new Map<string, Hint<T>>();
  private hintsWithoutFact = 0;

  /**
   * @param exceeds whether a value says more than another one
   * @param onFact called with each fact that is new or says more than the one before
   */
  constructor(
    private readonly exceeds: (value: T, other: T) => boolean,
    private readonly onFact?: (id: string, value: T, now: number) => void,
  ) {}

  get size(): number {
    return this.facts.size + this.hintsWithoutFact;
  }

  get isFull(): boolean {
    return this.hints.size >= MAX_HINTS;
  }

  /** The oldest hints, at most `limit`. */
  hintsUpTo(limit: number): (readonly [id: string, value: T])[] {
    const found: (readonly [id: string, value: T])[] = [];
    for (const [id, { value }] of this.hints) {
      if (found.length === limit) break;
      found.push([id, value]);
    }
    return found;
  }

  valueOf(id: string): T | undefined {
    const hint = this.hints.size > 0 ? this.hints.get(id) : undefined;
    return hint === undefined ? this.facts.get(id)?.value : hint.value;
  }

  /**
   * @param age milliseconds since it happened, where the database told it
   * @returns whether the id was unknown
   */
  learn(id: string, value: T, learning: Learning, age = 0): boolean {
    const group = this.facts.get(id);
    const hint = this.hints.size > 0 ? this.hints.get(id) : undefined;
    if (learning.from !== 'hint') {
      this.addFact(id, value, group, hint, learning, age);
      return group === undefined && hint === undefined;
    }
    const known = hint ?? group;
    if (this.isFull || (known !== undefined && !this.exceeds(value, known.value))) return false;
    if (known === undefined) this.hintsWithoutFact++;
    // Deletes first, so that the map stays in the order in which hints are forgotten.
    this.hints.delete(id);
    this.hints.set(id, { value, poll: learning.poll, forgetAt: learning.now + learning.span });
    return known === undefined;
  }

  /** Whether there are hints that came before the poll, and that it has not confirmed. */
  hasUnconfirmedHint(poll: number): boolean {
    // The oldest one is the first.
    for (const { poll: arrivedIn } of this.hints.values()) return arrivedIn < poll;
    return false;
  }

  /** Drops hints that came before the poll. */
  dropUnconfirmedHints(poll: number): void {
    for (const [id, hint] of this.hints) if (hint.poll < poll) this.dropHint(id);
  }

  /**
   * The facts that the poll should have repeated.
   *
   * @param since those that happened later are repeated, on the monotonic clock
   */
  missingIn(poll: number, since: number): (readonly [id: string, value: T])[] {
    const lost = new Set<Group<T>>();
    for (const group of this.groups) if (group.confirmedIn < poll && group.happenedAt > since) lost.add(group);
    if (lost.size === 0) return [];
    return [...this.facts].filter(([, group]) => lost.has(group)).map(([id, { value }]) => [id, value] as const);
  }

  forget(now: number): void {
    for (const [id, hint] of this.hints) {
      if (hint.forgetAt > now) break;
      this.dropHint(id);
    }
    let forgotten = 0;
    for (const [id, group] of this.facts) {
      if (group.forgetAt > now || forgotten++ === MAX_FORGOTTEN) break;
      this.remove(id, group);
      if (this.hints.has(id)) this.hintsWithoutFact++;
    }
  }

  private addFact(
    id: string,
    value: T,
    group: Group<T> | undefined,
    hint: Hint<T> | undefined,
    learning: Learning,
    age: number,
  ): void {
    const { poll } = learning;
    if (group === undefined || this.exceeds(value, group.value)) {
      if (group !== undefined) this.remove(id, group);
      else if (hint !== undefined) this.hintsWithoutFact--;
      if (hint !== undefined && !this.exceeds(hint.value, value)) this.hints.delete(id);
      this.put(id, this.groupOf(value, learning, age));
      this.onFact?.(id, value, learning.now);
    } else if (!this.exceeds(group.value, value) && group.confirmedIn !== poll) {
      if (group.next?.confirmedIn !== poll) group.next = { ...group, confirmedIn: poll, size: 0, next: undefined };
      this.leave(group);
      this.put(id, group.next);
    }
  }

  private groupOf(value: T, { from, now, span, poll }: Learning, age: number): Group<T> {
    const moment = span * MOMENT;
    const forgetAt = Math.ceil((now + span) / moment) * moment;
    const happenedAt = from === 'answer' ? -Infinity : Math.floor((now - age) / moment) * moment;
    if (forgetAt !== this.latestForgetAt) this.latest.clear();
    this.latestForgetAt = forgetAt;
    const last = this.latest.get(value);
    if (last?.confirmedIn === poll && last.happenedAt === happenedAt) return last;
    const group = { value, confirmedIn: poll, happenedAt, forgetAt, size: 0, next: undefined };
    this.latest.set(value, group);
    return group;
  }

  private put(id: string, group: Group<T>): void {
    this.facts.set(id, group);
    if (group.size++ === 0) this.groups.add(group);
  }

  private remove(id: string, group: Group<T>): void {
    this.facts.delete(id);
    this.leave(group);
  }

  private leave(group: Group<T>): void {
    if (--group.size === 0) this.groups.delete(group);
  }

  private dropHint(id: string): void {
    if (this.hints.delete(id) && !this.facts.has(id)) this.hintsWithoutFact--;
  }
}
