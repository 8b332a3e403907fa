/** How far a poll reads back before the last one: clocks are set, and of several servers they differ. */
const OVERLAP_MS = 60_000;

/** Every so many polls one reads the whole span. */
const POLLS_PER_WHOLE = 10;

/** What a poll tells of the database when its first statement ran. */
export interface PollPosition {
  /** The database's clock, in milliseconds since the epoch. */
  readonly now: number;
  /** The start time of the server, which names it. */
  readonly server: string;
  /** Every transaction with a lower id had ended, so that the poll has seen what it committed. */
  readonly oldestTransaction: bigint;
  /** The id that the next transaction gets. */
  readonly nextTransaction: bigint;
}

interface CompletePoll {
  readonly position: PollPosition;
  /** On the monotonic clock. */
  readonly sent: number;
}

/**
 * From when on a poll reads. A row has the time of its statement, and is seen after the commit of its transaction. A
 * poll therefore reads from the last one before which no transaction began that the poll before it has not seen, less a
 * minute. Transactions are numbered in the order of their beginning.
 *
 * | state | reads |
 * |---|---|
 * | first poll, after a failure, every tenth | the whole span |
 * | another server, or its clock was set back by half a minute | the whole span |
 * | a transaction is open that began before the oldest poll that is remembered | the whole span |
 * | otherwise | what is new |
 */
export class PollWindow {
  /** Complete polls, the oldest first. */
  private polls: CompletePoll[] = [];
  private pollsSinceWhole = 0;

  /** @param span milliseconds that a poll of the whole reads back */
  constructor(private readonly span: number) {}

  /**
   * Where the next poll begins, in the database's clock, milliseconds since the epoch.
   *
   * @returns undefined for the whole span
   */
  start(): number | undefined {
    const last = this.polls.at(-1);
    if (!last || this.pollsSinceWhole >= POLLS_PER_WHOLE - 1) return undefined;
    const { oldestTransaction, now } = last.position;
    const from = this.polls.findLast(({ position }) => position.nextTransaction <= oldestTransaction);
    const start = from && from.position.now - OVERLAP_MS;
    return start !== undefined && start > now - this.span ? start : undefined;
  }

  /**
   * Whether a poll that began at `start()` reads all that the last one has not seen.
   *
   * @param sent when the poll was sent, on the monotonic clock
   */
  continues({ now, server, nextTransaction }: PollPosition, sent: number): boolean {
    const last = this.polls.at(-1);
    if (!last || last.position.server !== server || nextTransaction < last.position.nextTransaction) return false;
    return now > last.position.now + (sent - last.sent) - OVERLAP_MS / 2;
  }

  /** Called after a poll that has read everything from where it began. */
  complete(position: PollPosition, sent: number, isWhole: boolean): void {
    if (!this.continues(position, sent)) this.interrupt();
    this.pollsSinceWhole = isWhole ? 0 : this.pollsSinceWhole + 1;
    // Those before are of no use: the oldest transaction of a later poll is no older.
    const first = this.polls.findLastIndex(poll => poll.position.nextTransaction <= position.oldestTransaction);
    this.polls = this.polls
      .slice(Math.max(first, 0))
      .filter(poll => poll.position.now - OVERLAP_MS > position.now - this.span);
    this.polls.push({ position, sent });
  }

  /** The next poll reads the whole span: the last one failed, or news may have been lost. */
  interrupt(): void {
    this.polls = [];
  }
}
