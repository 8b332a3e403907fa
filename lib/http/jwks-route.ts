import type { HttpAdapterHost } from '@nestjs/core';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import type { KeyRing } from '../keys/key-ring.js';

const MAX_CACHE_AGE_SECONDS = 300;

/**
 * Serves the public keys (RFC 7517). Put on the HTTP adapter itself, so that global prefix, versioning, guards and
 * interceptors leave it alone.
 */
export class JwksRoute {
  constructor(
    private readonly extras: SessionModuleExtras,
    private readonly options: ResolvedSessionOptions,
    private readonly keys: KeyRing,
    private readonly host: HttpAdapterHost,
  ) {}

  /** The path where the keys are served, or undefined where nothing is mounted. */
  get path(): string | undefined {
    const { jwks } = this.extras;
    return jwks && this.host?.httpAdapter ? jwks.path : undefined;
  }

  mount(): void {
    if (this.path === undefined) return;
    const { httpAdapter } = this.host;
    httpAdapter.get(this.path, (_request: unknown, response: unknown) => {
      httpAdapter.setHeader!(response, 'Content-Type', 'application/jwk-set+json; charset=utf-8');
      httpAdapter.setHeader!(response, 'Cache-Control', `public, max-age=${this.maxAge}`);
      httpAdapter.reply(response, JSON.stringify(this.document()), 200);
    });
  }

  /** The JWK Set. Only what `publicJwk` has: private members and secrets never leave the key ring. */
  document() {
    const shown = this.keys.verifying.filter(({ publicJwk }) => publicJwk !== undefined);
    return { keys: shown.map(({ kid, algorithm, publicJwk }) => ({ ...publicJwk, kid, alg: algorithm, use: 'sig' })) };
  }

  /** Less than `publishAhead`, so that a cache has the next key before that key signs. */
  private get maxAge(): number {
    return Math.min(MAX_CACHE_AGE_SECONDS, Math.floor(this.options.keys.publishAhead / 2_000));
  }
}
