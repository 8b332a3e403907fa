import { Injectable, Logger } from '@nestjs/common';
import { createPublicKey } from 'node:crypto';
import type { AccessTokenAlgorithm } from '../options/session-options.js';
import { SessionTimers } from '../common/clock.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';
import { KeySource, type RingKey } from './key-source.js';
import { openPrivateKey } from './key-encryption.js';
import { ServerSecrets } from './server-secrets.js';
import { SessionStoreUnavailableError } from '../session.errors.js';

/**
 * How long the database may take, in milliseconds. A connection that answers no more must not keep rotation, and all who
 * wait for a key, for ever.
 */
const TIMEOUT_MS = 5_000;

/** The generated keys, in the database. One is trusted only if its seal opens: writing rows forges nothing. */
@Injectable()
export class StoredKeys extends KeySource {
  private readonly logger = new Logger('SessionKeys');
  private readonly unopened = new Set<string>();
  private opened = 0;

  constructor(
    private readonly store: KeyStore,
    private readonly secrets: ServerSecrets,
    private readonly timers: SessionTimers,
  ) {
    super();
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
    return this.opened === 0 && this.unopened.size > 0;
  }

  async load(known: ReadonlyMap<string, RingKey>): Promise<RingKey[]> {
    const rows = await this.timers.within(
      TIMEOUT_MS,
      this.store.load(TIMEOUT_MS),
      () => new SessionStoreUnavailableError(),
    );
    const stored = rows.filter(({ purpose }) => purpose.startsWith(this.purpose));
    const keys = stored.map(key => known.get(key.kid) ?? this.open(key)).filter(key => key !== undefined);
    this.opened = keys.length;
    return keys;
  }

  /** Returns whether the key won the election. */
  elect(key: StoredKey): Promise<boolean> {
    return this.timers.within(TIMEOUT_MS, this.store.elect(key, TIMEOUT_MS), () => new SessionStoreUnavailableError());
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
