import { Injectable } from '@nestjs/common';
import { SessionClock } from '../../common/clock.js';
import { LoadLimit } from '../../common/load-limit.js';
import { SessionStoreUnavailableError } from '../../index.js';

const MAX_WAIT_MS = 2_000;

/** What hashing a password takes before it was measured, in milliseconds. */
const FIRST_TIME_PER_PASSWORD = 20;

/**
 * Bounds the passwords that wait to be hashed. Hashing is slow on purpose, so that more of them than the processors can
 * hash would keep all logins waiting until their clients give up.
 */
@Injectable()
export class PasswordLoad {
  private readonly limit: LoadLimit;

  constructor(clock: SessionClock) {
    this.limit = new LoadLimit(MAX_WAIT_MS, () => clock.monotonic(), FIRST_TIME_PER_PASSWORD);
  }

  /**
   * Does what hashes passwords, unless too many wait. To be asked before an attempt is counted: a refusal is no wrong
   * password.
   *
   * @throws SessionStoreUnavailableError
   */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const work = this.limit.begin();
    if (!work) {
      throw new SessionStoreUnavailableError('Too many passwords wait to be checked: try again; repeating is safe');
    }
    try {
      return await task();
    } finally {
      this.limit.end(work);
    }
  }
}
