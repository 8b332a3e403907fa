import { Injectable, Logger } from '@nestjs/common';
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { AccessTokenAlgorithm } from '../options/session-options.js';
import { type KeyPeriod, signingKey, verifyingKeys } from '../rules/key-periods.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import { SessionClock } from '../session.runtime.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';
import { openPrivateKey } from './sealing.js';
import { ServerSecrets } from './server-secrets.js';

/** A key whose seal this process has opened. */
export interface RingKey extends KeyPeriod {
  readonly kid: string;
  readonly algorithm: AccessTokenAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: JsonWebKey;
}

/** An unknown `kid` reloads the keys, but not more often than this: made-up ones must not become queries. */
const RELOAD_INTERVAL = 1_000;

/** The signing keys in memory. A public key is trusted only if its seal opens: writing rows forges nothing. */
@Injectable()
export class KeyRing {
  private readonly logger = new Logger('SessionKeys');
  private keys: readonly RingKey[] = [];
  private readonly distrusted = new Set<string>();
  private readonly unopened = new Set<string>();
  private reloadedAt = -Infinity;
  private reloading?: Promise<void>;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: KeyStore,
    private readonly secrets: ServerSecrets,
    private readonly clock: SessionClock,
  ) {}

  /** Reads the keys from the database. */
  async reload(): Promise<void> {
    const stored = (await this.store.load()).filter(
      ({ kid, purpose }) => purpose.startsWith(this.purpose) && !this.distrusted.has(kid),
    );
    const known = new Map(this.keys.map(key => [key.kid, key]));
    this.keys = stored.map(key => known.get(key.kid) ?? this.open(key)).filter(key => key !== undefined);
  }

  /**
   * The `purpose` of the rows that count here. Keys sealed under the generated secret stand for elections of their own,
   * because an application that has its own secret does not trust them.
   */
  get purpose(): string {
    return this.secrets.areOwn ? 'access-token/' : 'access-token-of-database/';
  }

  /** Whether there are keys, but no secret of this process opens any. */
  get isLockedOut(): boolean {
    return this.keys.length === 0 && this.unopened.size > 0;
  }

  /** The keys of the configured algorithm. */
  get candidates(): readonly RingKey[] {
    return this.keys.filter(({ algorithm }) => algorithm === this.options.accessToken.algorithm);
  }

  /** The key that signs now, if any. */
  get current(): RingKey | undefined {
    return signingKey(this.candidates, this.clock.now());
  }

  /** @throws SessionStoreUnavailableError while there is none */
  get signing(): RingKey {
    const key = this.current;
    if (!key) throw new SessionStoreUnavailableError('There is no signing key at the moment: try again');
    return key;
  }

  /** The keys whose tokens count, and that the JWKS shows. */
  get verifying(): RingKey[] {
    return verifyingKeys(this.keys, this.clock.now());
  }

  /** Whether tokens of this key still count. Asked on every request, so it makes no array. */
  accepts(kid: string): boolean {
    const key = this.keys.find(candidate => candidate.kid === kid);
    return key !== undefined && this.clock.now() < key.retireAt;
  }

  /** Whether this process has heard that the key is distrusted; one that has only retired is not. */
  isDistrusted(kid: string): boolean {
    return this.distrusted.has(kid);
  }

  /** The key of a token's `kid`; one that is not known may have been made by another process a moment ago. */
  async find(kid: string): Promise<RingKey | undefined> {
    return this.lookUp(kid) ?? (await this.findAfterReload(kid));
  }

  /**
   * Takes distrusted keys out of use for good; a reload that was under way must not bring them back.
   *
   * @returns whether any was in use
   */
  forget(kids: readonly string[]): boolean {
    for (const kid of kids) this.distrusted.add(kid);
    const kept = this.keys.filter(({ kid }) => !this.distrusted.has(kid));
    const changed = kept.length < this.keys.length;
    this.keys = kept;
    return changed;
  }

  private lookUp(kid: string): RingKey | undefined {
    return this.verifying.find(key => key.kid === kid);
  }

  private async findAfterReload(kid: string): Promise<RingKey | undefined> {
    const now = this.clock.now();
    if (!this.reloading && Math.abs(now - this.reloadedAt) >= RELOAD_INTERVAL) {
      this.reloadedAt = now;
      this.reloading = this.reload().finally(() => (this.reloading = undefined));
    }
    await this.reloading;
    return this.lookUp(kid);
  }

  private open(stored: StoredKey): RingKey | undefined {
    const privateKey = openPrivateKey(stored.sealedPrivateKey, stored, this.secrets.trusted);
    if (!privateKey) {
      if (!this.unopened.has(stored.kid)) {
        this.unopened.add(stored.kid);
        this.logger.error(`signing key ${stored.kid} is not used: no "secret" of this process opens its seal`);
      }
      return undefined;
    }
    const { kid, period, publishAt, signFrom, signUntil, retireAt, publicJwk } = stored;
    const algorithm = stored.algorithm as AccessTokenAlgorithm;
    const publicKey = createPublicKey(privateKey);
    return { kid, algorithm, period, publishAt, signFrom, signUntil, retireAt, publicJwk, privateKey, publicKey };
  }
}
