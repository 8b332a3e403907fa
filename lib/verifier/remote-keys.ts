import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { createRemoteJWKSet, errors } from 'jose';
import { KeyObject } from 'node:crypto';
import { VerificationKeys, type VerificationKey } from '../keys/key-ring.js';
import { type AccessTokenAlgorithm, GENERATED_ALGORITHMS } from '../options/token-options.js';
import { SessionStoreUnavailableError } from '../session.errors.js';

/** The maximum age that the issuing application allows for its keys. A distrusted key is trusted here for that time. */
const MAX_KEY_AGE_MS = 300_000;

/** An unknown `kid` fetches the keys again, at most this often: invented ones must not cause requests. */
const COOLDOWN_MS = 1_000;

type PublicKey = Awaited<ReturnType<ReturnType<typeof createRemoteJWKSet>>>;

/** The public keys of the issuing application, from its JWK Set. */
@Injectable()
export class RemoteKeys extends VerificationKeys implements OnModuleInit {
  private readonly logger = new Logger('SessionVerifier');
  private readonly keySet: ReturnType<typeof createRemoteJWKSet>;
  private readonly keys = new WeakMap<PublicKey, VerificationKey>();
  private isReachable = true;

  constructor(private readonly jwksUri: string) {
    super();
    this.keySet = createRemoteJWKSet(new URL(jwksUri), { cacheMaxAge: MAX_KEY_AGE_MS, cooldownDuration: COOLDOWN_MS });
  }

  /**
   * Loads the keys before the first request. A failure is logged: the issuing application may start later than this
   * one.
   */
  async onModuleInit(): Promise<void> {
    await this.keySet.reload().catch((error: unknown) => this.report(error));
  }

  /** @throws SessionStoreUnavailableError if the keys are older than five minutes and cannot be fetched */
  async find(kid: string, algorithm: string): Promise<VerificationKey | undefined> {
    // Never a symmetric algorithm: everybody can read these keys.
    const known = GENERATED_ALGORITHMS.find(name => name === algorithm);
    if (!known) return undefined;
    try {
      const key = await this.keySet({ kid, alg: known });
      this.isReachable = true;
      return this.verificationKeyOf(key, kid, known);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
        return undefined;
      this.report(error);
      throw new SessionStoreUnavailableError(
        'The public keys of the issuing application cannot be fetched: try again; repeating is safe',
      );
    }
  }

  /** The same object each time: `jose` keeps one key for each `kid` and algorithm of a JWK Set. */
  private verificationKeyOf(key: PublicKey, kid: string, algorithm: AccessTokenAlgorithm): VerificationKey {
    let known = this.keys.get(key);
    if (!known) this.keys.set(key, (known = { kid, algorithm, publicKey: KeyObject.from(key) }));
    return known;
  }

  /** Logs the first failure after a success. */
  private report(error: unknown): void {
    if (!this.isReachable) return;
    this.isReachable = false;
    this.logger.error(
      `the public keys at ${this.jwksUri} cannot be fetched: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
