import { Logger } from '@nestjs/common';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { SessionClock } from '../common/clock.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { AccessTokenAlgorithm } from '../options/token-options.js';
import { type KeyPeriod, signingKey, verifyingKeys } from '../rules/key-periods.js';
import { SessionError, SessionStoreUnavailableError } from '../session.errors.js';

/** A key that access tokens are verified with. */
export interface VerificationKey {
  readonly kid: string;
  readonly algorithm: AccessTokenAlgorithm;
  /** The public key; the shared secret for HS256. */
  readonly publicKey: KeyObject;
}

/**
 * Finds verification keys: in the key ring of `SessionModule`, in the JWK Set of another application for a verifier.
 */
export abstract class VerificationKeys {
  /**
   * Finds the key of a token's `kid`; undefined if there is no such key or it no longer counts.
   *
   * @param algorithm `alg` of the token's header: a key counts for its own algorithm only
   */
  abstract find(kid: string, algorithm: string): Promise<VerificationKey | undefined>;
}

/** A key that this process can sign with. */
export interface RingKey extends KeyPeriod, VerificationKey {
  readonly privateKey: KeyObject;
  /** Undefined for a secret, which no JWK Set may contain. */
  readonly publicJwk?: JsonWebKey;
}

/** Where the key ring loads its keys from: the database (`GeneratedKeys`) or the application (`ConfiguredKeys`). */
export interface KeySource {
  /** Loads every key that may count now. A key in `known` is returned as it is. */
  load(known: ReadonlyMap<string, RingKey>): Promise<RingKey[]>;
}

/** An unknown `kid` reloads the keys, at most this often: invented ones must not cause queries. */
const RELOAD_INTERVAL_MS = 1_000;

/**
 * The signing keys in memory.
 *
 * | member | keys |
 * |---|---|
 * | `candidates` | all keys of the configured algorithm, also those of past and future periods |
 * | `current`, `requireSigningKey()` | the candidate that signs now |
 * | `verifying` | every key that has not retired, of any algorithm: the JWK Set |
 * | `accepts(kid)` | whether the key is among `verifying` |
 * | `isDistrusted(kid)` | whether the key was distrusted; a retired key was not |
 * | `kept` | every key that was not distrusted, also retired ones until the clean-up removes them |
 */
export class KeyRing extends VerificationKeys {
  private readonly logger = new Logger('SessionKeys');
  private keys: readonly RingKey[] = [];
  private readonly distrusted = new Set<string>();
  /** Distrusted keys that the source no longer knows to be distrusted, as after a failover that lost the statement. */
  lostDistrust: readonly string[] = [];
  /** For what an expired access token shows of the past. */
  readonly kept: VerificationKeys = {
    find: async kid => (await this.find(kid)) ?? this.keys.find(key => key.kid === kid),
  };
  /** How many loads have begun, and the number of the load whose keys are in use. */
  private begunLoads = 0;
  private usedLoad = 0;
  private reloadedAt = -Infinity;
  private reloading?: Promise<void>;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly source: KeySource,
    private readonly clock: SessionClock,
  ) {
    super();
  }

  /** Loads the keys again. */
  async reload(): Promise<void> {
    const load = ++this.begunLoads;
    const keys = await this.source.load(new Map(this.keys.map(key => [key.kid, key])));
    // Loads overlap. A late answer must not take away a key that was made since: no key might be left to sign with.
    if (load < this.usedLoad) return;
    this.usedLoad = load;
    this.keys = keys.filter(({ kid }) => !this.distrusted.has(kid));
    this.lostDistrust = keys.map(({ kid }) => kid).filter(kid => this.distrusted.has(kid));
  }

  get candidates(): readonly RingKey[] {
    return this.keys.filter(({ algorithm }) => algorithm === this.options.accessToken.algorithm);
  }

  get current(): RingKey | undefined {
    return signingKey(this.candidates, this.clock.now());
  }

  /** @throws SessionStoreUnavailableError if no key signs now */
  requireSigningKey(): RingKey {
    const key = this.current;
    if (!key) throw new SessionStoreUnavailableError('There is no signing key at the moment: try again');
    return key;
  }

  /** Each key once, even if it serves several periods. */
  get verifying(): RingKey[] {
    const keys = verifyingKeys(this.keys, this.clock.now());
    return keys.filter(({ kid }, index) => keys.findIndex(key => key.kid === kid) === index);
  }

  /** Called on every request, so it allocates no array. */
  accepts(kid: string, now: number): boolean {
    return this.keys.some(key => key.kid === kid && now < key.retireAt);
  }

  isDistrusted(kid: string): boolean {
    return this.distrusted.has(kid);
  }

  /** The ids of all keys that were distrusted, as far as this process knows. */
  get distrustedKeys(): readonly string[] {
    return [...this.distrusted];
  }

  /** Reloads the keys for an unknown `kid`: another process may just have made the key. */
  override async find(kid: string): Promise<RingKey | undefined> {
    return this.lookUp(kid) ?? (await this.findAfterReload(kid));
  }

  /**
   * Stops using keys permanently; a reload that is under way does not bring them back.
   *
   * @returns whether any of them was in use
   */
  distrust(kids: readonly string[]): boolean {
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
    if (!this.reloading && Math.abs(now - this.reloadedAt) >= RELOAD_INTERVAL_MS) {
      this.reloadedAt = now;
      this.reloading = this.reloadForToken().finally(() => (this.reloading = undefined));
    }
    await this.reloading;
    return this.lookUp(kid);
  }

  private async reloadForToken(): Promise<void> {
    try {
      await this.reload();
    } catch (error) {
      if (error instanceof SessionError) throw error;
      // The message of the application's own function is for the log, not for the sender of a token.
      this.logger.error(error instanceof Error ? error.message : String(error));
      throw new SessionStoreUnavailableError();
    }
  }
}
