import { Injectable } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { elapsed, type Moment } from '../rules/revocation-state.js';

/** An answer that took longer is too imprecise about the database's time, unless there is no better one. */
const MAX_ROUND_TRIP_MS = 1_000;

interface Reading {
  /** The database's time when the statement ran. */
  readonly databaseNow: number;
  readonly sentAt: Moment;
  readonly roundTrip: number;
}

/**
 * The database's clock as this process knows it from answers. A statement with a deadline in that clock changes nothing
 * when it runs late: because this process was suspended, because the statement lay in the network, or because it waited
 * for a lock.
 */
@Injectable()
export class DatabaseClock {
  private reading?: Reading;

  constructor(private readonly clock: SessionClock) {}

  moment(): Moment {
    return { monotonic: this.clock.monotonic(), wall: this.clock.now() };
  }

  /** @param sentAt when the statement was sent that has read the time */
  learn(databaseNow: number, sentAt: Moment): void {
    const roundTrip = elapsed(sentAt, this.moment());
    if (this.reading && roundTrip > Math.max(MAX_ROUND_TRIP_MS, this.reading.roundTrip)) return;
    this.reading = { databaseNow, sentAt, roundTrip };
  }

  /** The deadline of a request that comes now. */
  deadline(milliseconds: number): Deadline {
    return new Deadline(this, this.moment(), milliseconds);
  }

  /** The database's time now; infinite before its first answer. */
  get now(): number {
    return this.reading ? this.reading.databaseNow + elapsed(this.reading.sentAt, this.moment()) : Infinity;
  }
}

/** The end of a request's time. */
export class Deadline {
  constructor(
    private readonly clock: DatabaseClock,
    private readonly since: Moment,
    private readonly milliseconds: number,
  ) {}

  /** In the database's clock as it is known now, milliseconds since the epoch. */
  get databaseTime(): number {
    return this.clock.now + this.left;
  }

  get hasPassed(): boolean {
    return this.left <= 0;
  }

  private get left(): number {
    return this.milliseconds - elapsed(this.since, this.clock.moment());
  }
}
