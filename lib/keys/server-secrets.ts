import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { deriveServerKeys, type ServerKeys } from '../rules/server-keys.js';
import { SessionClock, SessionRandom } from '../session.runtime.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';

const PURPOSE = 'server-secret';
const NEVER = Date.UTC(9999, 0);

/**
 * The server secrets and what is derived from them.
 *
 * An application without a secret of its own has one generated, once per database. When it moves to its own, what the
 * generated one made for refresh tokens still counts, so that nobody is logged out; its seals on signing keys do not,
 * because whoever can write to the database could make more of them.
 */
@Injectable()
export class ServerSecrets {
  private readonly logger = new Logger('SessionKeys');
  private readonly own: readonly ServerKeys[];
  private generated?: ServerKeys;

  constructor(
    options: ResolvedSessionOptions,
    private readonly store: KeyStore,
    private readonly clock: SessionClock,
    private readonly random: SessionRandom,
  ) {
    this.own = options.secrets.map(deriveServerKeys);
  }

  /** The secret with which everything new is made. */
  get newest(): ServerKeys {
    const newest = this.own[0] ?? this.generated;
    if (!newest) throw new Error('SessionModule has not started: await app.init() or app.listen() first');
    return newest;
  }

  /** The secrets whose refresh tokens are accepted. */
  get accepted(): readonly ServerKeys[] {
    return this.generated ? [...this.own, this.generated] : this.own;
  }

  /** The secrets whose seals on signing keys are trusted. */
  get trusted(): readonly ServerKeys[] {
    return this.areOwn ? this.own : this.accepted;
  }

  /** Whether the application has a secret of its own. */
  get areOwn(): boolean {
    return this.own.length > 0;
  }

  /** Reads the generated secret, and generates it where it is needed and missing. */
  async load(): Promise<void> {
    let stored = await this.find();
    if (!stored && !this.areOwn) {
      await this.store.elect(this.generate());
      stored = await this.find();
      this.logger.warn(
        'no "secret" was given: one was generated and is kept in the database, so that who reads the database can mint tokens',
      );
    }
    if (stored) this.generated = deriveServerKeys(stored.sealedPrivateKey.toString('base64url'));
  }

  private async find(): Promise<StoredKey | undefined> {
    return (await this.store.load()).find(({ purpose }) => purpose === PURPOSE);
  }

  private generate(): StoredKey {
    const now = this.clock.now();
    return {
      kid: PURPOSE,
      purpose: PURPOSE,
      algorithm: 'none',
      period: 0,
      publicJwk: {},
      sealedPrivateKey: this.random.bytes(32),
      publishAt: now,
      signFrom: now,
      signUntil: NEVER,
      retireAt: NEVER,
    };
  }
}
