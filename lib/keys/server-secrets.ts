import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { deriveServerKeys, type ServerKeys } from '../rules/server-keys.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';

const PURPOSE = 'server-secret';
/** Rows that name the secrets in use, and tell nothing of them. */
const WITNESS = 'server-secret-id';
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
    private readonly options: ResolvedSessionOptions,
    private readonly store: KeyStore,
    private readonly clock: SessionClock,
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
      const secret = randomBytes(32);
      await this.store.elect(this.row({ kid: PURPOSE, purpose: PURPOSE, period: 0, sealedPrivateKey: secret }));
      stored = await this.find();
      this.logger.warn(
        'no "secret" was given: one was generated and is kept in the database, so that who reads the database can mint tokens',
      );
    }
    if (stored) this.generated = deriveServerKeys(stored.sealedPrivateKey.toString('base64url'));
    // By the seals of generated signing keys a wrong secret is noticed at start; where there are none, by this.
    if (this.areOwn && this.options.keys.signingKey !== undefined) await this.requireKnown();
  }

  /** @throws Error for secrets of which none is known to the database, which knows others */
  private async requireKnown(): Promise<void> {
    const known = (await this.store.load()).filter(({ purpose }) => purpose === WITNESS).map(({ kid }) => kid);
    const own = this.own.map(({ id }) => `${WITNESS}/${id}`);
    if (known.length > 0 && !own.some(kid => known.includes(kid))) {
      throw new Error(
        'SessionModule: option "secret" is another than the one that this database was used with, so that nobody could refresh. Write the former secret as well, secret: [new, former]; if it is lost, delete the rows of the signing-key table, which logs everybody out',
      );
    }
    if (known.includes(own[0]!)) return;
    const period = Buffer.from(this.newest.id, 'base64url').readUInt32BE();
    await this.store.elect(this.row({ kid: own[0]!, purpose: WITNESS, period, sealedPrivateKey: Buffer.alloc(0) }));
  }

  private async find(): Promise<StoredKey | undefined> {
    return (await this.store.load()).find(({ purpose }) => purpose === PURPOSE);
  }

  /** A row that signs nothing and never retires. */
  private row(key: Pick<StoredKey, 'kid' | 'purpose' | 'period' | 'sealedPrivateKey'>): StoredKey {
    const now = this.clock.now();
    const times = { publishAt: now, signFrom: now, signUntil: NEVER, retireAt: NEVER };
    return { ...key, algorithm: 'none', publicJwk: {}, ...times };
  }
}
