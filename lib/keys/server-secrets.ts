import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { deriveServerKeys, SERVER_SECRET_BYTES, type ServerKeys } from '../rules/server-keys.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { KeyStore, type StoredKey } from '../store/key.store.js';

/** Purpose of the row that holds the generated secret. */
const SECRET_ROW = 'server-secret';
/** Purpose of the rows that record which secrets are in use, by id only. */
const SECRET_ID_ROW = 'server-secret-id';
const NEVER = Date.UTC(9999, 0);

/**
 * The server secrets and the keys derived from them.
 *
 * An application without its own secret uses a generated one, one per database. A party with write access to the
 * database can put a secret of its own there. Beside own secrets the generated one therefore counts only if the options
 * ask for it (`secret: [own, 'database']`), and only for refresh tokens and the CSRF tokens sent with them, so that
 * users stay logged in after the change.
 *
 * | member | secrets | `secret: own` | `[own, 'database']` | `'database'` or none |
 * |---|---|---|---|---|
 * | `newest` | the one under which everything new is made | own | own | generated |
 * | `accepted` | those whose refresh tokens, and CSRF tokens, are accepted | own | own, generated | generated |
 * | `trusted` | those accepted for everything else: signing keys, binding, encryption | own | own | generated |
 * | `areOwn` | whether the application has its own secret | true | true | false |
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

  /** @throws Error before the module has started */
  get newest(): ServerKeys {
    const newest = this.own[0] ?? this.generated;
    if (!newest) throw new Error('SessionModule has not started: await app.init() or app.listen() first');
    return newest;
  }

  get accepted(): readonly ServerKeys[] {
    return this.generated ? [...this.own, this.generated] : this.own;
  }

  get trusted(): readonly ServerKeys[] {
    return this.areOwn ? this.own : this.accepted;
  }

  get areOwn(): boolean {
    return this.own.length > 0;
  }

  /**
   * Loads the generated secret, and generates it if it is needed and missing.
   *
   * @throws Error if none of the application's secrets is known to a database that was used with others
   */
  async load(): Promise<void> {
    let stored = await this.find();
    if (!stored && !this.areOwn) {
      const secret = randomBytes(SERVER_SECRET_BYTES);
      await this.store.elect(
        this.row({ kid: SECRET_ROW, purpose: SECRET_ROW, period: 0, encryptedPrivateKey: secret }),
      );
      stored = await this.find();
    }
    if (!this.areOwn) {
      this.logger.warn(
        'the secret is generated and kept in the database: everybody who can read the database can create tokens. Write a random string of at least 32 bytes as option "secret"',
      );
    } else if (stored && !this.options.acceptsGeneratedSecret) {
      this.logger.warn(
        `the generated secret in the database does not count beside option "secret". To keep users logged in who have refresh tokens of it, write secret: [own, 'database']; otherwise delete the row "${SECRET_ROW}" of the signing-key table`,
      );
    }
    if (stored && this.options.acceptsGeneratedSecret) {
      this.generated = deriveServerKeys(stored.encryptedPrivateKey.toString('base64url'));
    }
    // Generated signing keys reveal a wrong secret at start; without them, the recorded ids do.
    if (this.areOwn && this.options.keys.signingKey !== undefined) await this.requireKnown();
  }

  private async requireKnown(): Promise<void> {
    const known = (await this.store.load()).filter(({ purpose }) => purpose === SECRET_ID_ROW).map(({ kid }) => kid);
    const own = this.own.map(({ id }) => `${SECRET_ID_ROW}/${id}`);
    if (known.length > 0 && !own.some(kid => known.includes(kid))) {
      throw new Error(
        'SessionModule: option "secret" is another than the one that this database was used with: every refresh would fail. Write the former secret as well, secret: [new, former]; if it is lost, delete the rows of the signing-key table, which logs everybody out',
      );
    }
    if (known.includes(own[0]!)) return;
    const period = Buffer.from(this.newest.id, 'base64url').readUInt32BE();
    await this.store.elect(
      this.row({ kid: own[0]!, purpose: SECRET_ID_ROW, period, encryptedPrivateKey: Buffer.alloc(0) }),
    );
  }

  private async find(): Promise<StoredKey | undefined> {
    return (await this.store.load()).find(({ purpose }) => purpose === SECRET_ROW);
  }

  /** A row that never signs and never retires. */
  private row(key: Pick<StoredKey, 'kid' | 'purpose' | 'period' | 'encryptedPrivateKey'>): StoredKey {
    const now = this.clock.now();
    const times = { publishAt: now, signFrom: now, signUntil: NEVER, retireAt: NEVER };
    return { ...key, algorithm: 'none', publicJwk: {}, ...times };
  }
}
