import { SessionClock } from '../../lib/testing/index.js';

/** A process clock that does not move, for edges that are one millisecond wide. */
export class FixedClock extends SessionClock {
  constructor(public time = Date.now()) {
    super();
  }

  override now(): number {
    return this.time;
  }
}
