import { Injectable } from '@nestjs/common';
import type { SessionStatus } from '../session.types.js';
import { SessionMaintenance } from './maintenance.js';

/** A health indicator for @nestjs/terminus: `health.check([() => indicator.isHealthy('sessions')])`. */
@Injectable()
export class SessionHealthIndicator {
  /** @internal Nest makes it. */
  constructor(private readonly maintenance: SessionMaintenance) {}

  /**
   * The same as `SessionService.status()`, under a name in the health check's answer. Its `status` is `down` where the
   * database does not answer within five seconds or no key can sign; Terminus answers 503 then.
   */
  async isHealthy<Key extends string>(key: Key): Promise<Record<Key, SessionStatus>> {
    return { [key]: await this.maintenance.status() } as Record<Key, SessionStatus>;
  }
}
