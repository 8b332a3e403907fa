import { Injectable } from '@nestjs/common';
import type { SessionExchange } from '../http/exchange.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { maxRequestAge } from '../rules/rotation.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import { StoreLoad } from '../store/store-load.js';
import { PauseDetector } from './pause-detector.js';

/** Admits logins and refreshes, except those that come too late and those beyond what the database answers in time. */
@Injectable()
export class Admission {
  constructor(
    private readonly options: ResolvedSessionOptions,
    readonly load: StoreLoad,
    private readonly pauses: PauseDetector,
  ) {}

  /**
   * A late request changes nothing and is no sign of theft: its client has given it up, and may have refreshed or logged
   * in elsewhere.
   *
   * @throws SessionStoreUnavailableError
   */
  requireTimely(exchange: SessionExchange | undefined): void {
    const maxAge = maxRequestAge(this.options.session.leeway);
    if (!exchange?.isAborted && !this.pauses.mayHaveWaited(maxAge)) return;
    throw new SessionStoreUnavailableError('The request came too late: try again; repeating is safe');
  }
}
