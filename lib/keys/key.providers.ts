import type { Provider } from '@nestjs/common';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { ConfiguredKeys } from './configured-keys.js';
import { GeneratedKeys } from './generated-keys.js';
import { KeyRing } from './key-ring.js';
import { KeyRotation } from './key-rotation.js';
import { ServerSecrets } from './server-secrets.js';

export const KEY_PROVIDERS: Provider[] = [
  ServerSecrets,
  GeneratedKeys,
  {
    provide: KeyRing,
    inject: [ResolvedSessionOptions, GeneratedKeys, SessionClock, SessionTimers],
    useFactory: (
      options: ResolvedSessionOptions,
      generated: GeneratedKeys,
      clock: SessionClock,
      timers: SessionTimers,
    ): KeyRing => {
      const isConfigured = options.keys.signingKey !== undefined;
      return new KeyRing(options, isConfigured ? new ConfiguredKeys(options, clock, timers) : generated, clock);
    },
  },
  KeyRotation,
];
