import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { AccessTokenVerifier } from '../tokens/access-token-verifier.js';
import { SessionAuthenticator } from '../http/session-authenticator.js';
import { VerificationKeys } from '../keys/key-ring.js';
import { type AsyncOptions, asyncOptionsProviders } from '../common/async-options.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SessionEvents } from '../session.events.js';
import { SessionGuard } from '../session.guard.js';
import { SessionClock } from '../common/clock.js';
import { HttpSessionAuthenticator } from '../http/http-session-authenticator.js';
import { SessionHttp } from '../http/session-http.js';
import { TokenAuthenticator } from '../tokens/token-authenticator.js';
import { RemoteKeys } from './remote-keys.js';
import { RemoteTokenAuthenticator } from './remote-token-authenticator.js';
import {
  checkVerifierOptions,
  sessionOptionsOf,
  SessionVerifierOptions,
  type SessionVerifierOptionsFactory,
} from './session-verifier.options.js';
import { SharedSecretKeys } from './shared-secret-keys.js';

const VERIFIER_OPTIONS = Symbol('SESSION_VERIFIER_OPTIONS');

/** The options of `forRootAsync`. */
export interface SessionVerifierAsyncOptions extends AsyncOptions<
  SessionVerifierOptions,
  SessionVerifierOptionsFactory
> {
  /** Whether guard and authenticator are visible everywhere; `true` if left out. */
  isGlobal?: boolean;
}

/**
 * Protects the controllers of a service that has no sessions of its own: it verifies the access tokens that an application
 * with `SessionModule` has issued. It needs no database, and asks nobody but for the public keys.
 */
@Module({})
export class SessionVerifierModule {
  /** `{ jwksUri, issuer, audience }`; the last two as the issuing application has them, if it has them. */
  static forRoot({ isGlobal, ...options }: SessionVerifierOptions & { isGlobal?: boolean }): DynamicModule {
    return declare([{ provide: VERIFIER_OPTIONS, useValue: options }], isGlobal);
  }

  /** `useFactory`, `useClass` or `useExisting`; `isGlobal` beside it. */
  static forRootAsync(options: SessionVerifierAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders('SessionVerifierModule', VERIFIER_OPTIONS, options, factory =>
      factory.createSessionVerifierOptions(),
    );
    return declare(providers, options.isGlobal, options.imports);
  }
}

function declare(options: Provider[], isGlobal = true, imports: DynamicModule['imports'] = []): DynamicModule {
  return {
    module: SessionVerifierModule,
    global: isGlobal,
    imports,
    providers: [
      ...options,
      {
        provide: SessionVerifierOptions,
        inject: [VERIFIER_OPTIONS],
        useFactory: (given: SessionVerifierOptions) => checkVerifierOptions(given),
      },
      { provide: ResolvedSessionOptions, inject: [SessionVerifierOptions], useFactory: sessionOptionsOf },
      {
        provide: VerificationKeys,
        inject: [SessionVerifierOptions],
        useFactory: async ({ jwksUri, sharedSecret }: SessionVerifierOptions): Promise<VerificationKeys> =>
          jwksUri === undefined ? SharedSecretKeys.of(sharedSecret!) : new RemoteKeys(jwksUri),
      },
      SessionClock,
      SessionEvents,
      SessionHttp,
      AccessTokenVerifier,
      { provide: TokenAuthenticator, useClass: RemoteTokenAuthenticator },
      { provide: SessionAuthenticator, useClass: HttpSessionAuthenticator },
      SessionGuard,
    ],
    exports: [SessionGuard, SessionAuthenticator],
  };
}
