import { Injectable, Logger } from '@nestjs/common';
import { calculateJwkThumbprint } from 'jose';
import { createPublicKey } from 'node:crypto';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { AccessTokenAlgorithm, GeneratedAlgorithm } from '../options/token-options.js';
import type { KeyPeriod } from '../rules/key-periods.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';
import { decryptPrivateKey, encryptPrivateKey } from './key-encryption.js';
import { generatePrivateKey, publicJwkOf } from './key-pair.js';
import type { KeySource, RingKey } from './key-ring.js';
import { ServerSecrets } from './server-secrets.js';

/** A connection that no longer answers must not hold up key rotation, nor requests that wait for a key. */
const DATABASE_TIMEOUT_MS = 5_000;

/** The generated keys, in the database. A key counts only if a secret decrypts it: writing rows forges nothing. */
@Injectable()
export class GeneratedKeys implements KeySource {
  private readonly logger = new Logger('SessionKeys');
  private readonly undecryptable = new Set<string>();
  /** Of the last load. */
  private stored = 0;
  private decrypted = 0;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: KeyStore,
    private readonly secrets: ServerSecrets,
  ) {}

  /** Whether there are keys, but this process's secrets decrypt none of them. */
  get cannotDecryptAny(): boolean {
    return this.decrypted === 0 && this.stored > 0;
  }

  /** @throws SessionStoreUnavailableError if the database does not answer in time */
  async load(known: ReadonlyMap<string, RingKey>): Promise<RingKey[]> {
    const rows = await this.store.load(DATABASE_TIMEOUT_MS);
    const stored = rows.filter(({ purpose }) => purpose.startsWith(this.purpose));
    const keys = stored.map(key => known.get(key.kid) ?? this.decrypt(key)).filter(key => key !== undefined);
    this.stored = stored.length;
    this.decrypted = keys.length;
    return keys;
  }

  /**
   * Generates the key of a period and stores it, unless another process was first.
   *
   * @returns the key's `kid`, or undefined if the period already has a key
   * @throws SessionStoreUnavailableError if the database does not answer in time
   */
  async create(period: KeyPeriod): Promise<string | undefined> {
    // HS256 without a configured key is refused at start.
    const algorithm = this.options.accessToken.algorithm as GeneratedAlgorithm;
    const privateKey = await generatePrivateKey(algorithm);
    const publicJwk = publicJwkOf(privateKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    const key = { ...period, kid, purpose: `${this.purpose}${algorithm}`, algorithm, publicJwk };
    const encryptedPrivateKey = encryptPrivateKey(privateKey, key, this.secrets.newest);
    const elected = await this.store.elect({ ...key, encryptedPrivateKey }, DATABASE_TIMEOUT_MS);
    return elected ? kid : undefined;
  }

  /**
   * The `purpose` of the rows that count here. Keys encrypted under the generated secret have a purpose of their own,
   * because an application with its own secret does not trust them.
   */
  private get purpose(): string {
    return this.secrets.areOwn ? 'access-token/' : 'access-token-of-database/';
  }

  private decrypt(stored: StoredKey): RingKey | undefined {
    const privateKey = decryptPrivateKey(stored.encryptedPrivateKey, stored, this.secrets.trusted);
    if (!privateKey) {
      if (!this.undecryptable.has(stored.kid)) {
        this.undecryptable.add(stored.kid);
        this.logger.error(`signing key ${stored.kid} is not used: no "secret" of this process decrypts it`);
      }
      return undefined;
    }
    const { kid, period, publishAt, signFrom, signUntil, retireAt, publicJwk } = stored;
    const algorithm = stored.algorithm as AccessTokenAlgorithm;
    const publicKey = createPublicKey(privateKey);
    return { kid, algorithm, period, publishAt, signFrom, signUntil, retireAt, publicJwk, privateKey, publicKey };
  }
}
