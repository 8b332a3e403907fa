import { Injectable, Optional } from '@nestjs/common';
import { RemoteRevocations } from './remote-revocations.js';

/** The answer of `SessionVerifierHealthIndicator`. */
export interface VerifierStatus {
  /** `down` while requests are refused because too little is known of what was revoked. */
  readonly status: 'up' | 'down';
  /** The age of what is known, in milliseconds; absent without option `revocations`, and before anything is known. */
  readonly staleness?: number;
}

/** A health indicator for @nestjs/terminus: `health.check([() => indicator.isHealthy('sessions')])`. */
@Injectable()
export class SessionVerifierHealthIndicator {
  /** @internal Nest makes it. */
  constructor(@Optional() private readonly revocations?: RemoteRevocations) {}

  /** Makes no request. Terminus answers 503 where the status is `down`. */
  isHealthy<Key extends string>(key: Key): Record<Key, VerifierStatus> {
    return { [key]: this.revocations?.status ?? { status: 'up' } } as Record<Key, VerifierStatus>;
  }
}
