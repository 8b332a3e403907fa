import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, Optional } from '@nestjs/common';
import { SessionEvents } from '../session.events.js';
import { Telemetry } from '../telemetry/telemetry.js';
import { RemoteRevocations } from './remote-revocations.js';
import { RemoteTokenAuthenticator } from './remote-token-authenticator.js';

/** Counts refusals, and shows the state of this process (option `telemetry`). */
@Injectable()
export class VerifierTelemetry implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly events: SessionEvents,
    private readonly tokens: RemoteTokenAuthenticator,
    @Optional() private readonly revocations?: RemoteRevocations,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  onApplicationBootstrap(): void {
    const { telemetry, revocations } = this;
    telemetry?.count(this.events.observable, event =>
      event.type === 'session.refused'
        ? { name: 'jwt_session.refusals', attributes: { 'error.type': event.code } }
        : undefined,
    );
    telemetry?.observe({
      ...this.tokens.cache.readings,
      ...(revocations && {
        'jwt_session.revocation.staleness': () => inSeconds(revocations.status.staleness),
        'jwt_session.revocation.kept': () => revocations.size,
      }),
    });
  }

  onModuleDestroy(): void {
    this.telemetry?.stop();
  }
}

function inSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}
