import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, Optional } from '@nestjs/common';
import { KeyRing } from '../keys/key-ring.js';
import { RevocationFeed } from '../revocation/revocation-feed.js';
import { Revocations } from '../revocation/revocations.js';
import { StoreLoad } from '../store/store-load.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { AccessTokenAuthenticator } from '../tokens/access-token-authenticator.js';

/** Shows the state of this process (option `telemetry`). Makes no statement, unlike `status()`. */
@Injectable()
export class SessionGauges implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly keys: KeyRing,
    private readonly revocations: Revocations,
    private readonly feed: RevocationFeed,
    private readonly load: StoreLoad,
    private readonly tokens: AccessTokenAuthenticator,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  /** Not earlier: nothing takes the readings away where a start fails. */
  onApplicationBootstrap(): void {
    const { keys, revocations, feed, load, tokens } = this;
    const ofFeed = (read: (status: RevocationFeed['status']) => number) => () =>
      feed.status.mode === 'live' ? read(feed.status) : undefined;
    this.telemetry?.observe({
      ...tokens.cache.readings,
      'jwt_session.revocation.staleness': ofFeed(({ staleness }) => staleness / 1000),
      'jwt_session.revocation.listening': ofFeed(({ listening }) => Number(listening)),
      'jwt_session.revocation.kept': () => revocations.size,
      'jwt_session.key.signing': () => Number(keys.current !== undefined),
      'jwt_session.key.verifying': () => keys.verifying.length,
      'jwt_session.store.waiting': () => load.status.waiting,
      'jwt_session.store.refused': () => load.status.refused,
    });
  }

  onModuleDestroy(): void {
    this.telemetry?.stop();
  }
}
