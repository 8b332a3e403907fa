import { Logger } from '@nestjs/common';
import type { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { SERVER_SECRET_BYTES } from '../rules/server-keys.js';
import type { KeyStore, StoredKey } from '../store/key.store.js';
import type { ServerSecrets } from './server-secrets.js';

/** Purpose of the row that holds the generated secret. */
const SECRET_ROW = 'server-secret';
/** Purpose of the rows that record which secrets are in use, by id only. */
const SECRET_ID_ROW = 'server-secret-id';
const NEVER = Date.UTC(9999, 0);

/** What the database knows of server secrets: the generated one, and the ids of the application's own. */
export class StoredSecrets {
  private readonly logger = new Logger('SessionKeys');

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
    private readonly store: KeyStore,
    private readonly clock: SessionClock,
  ) {}

  /**
   * Loads the generated secret, and generates it if it is needed and missing.
   *
   * @throws Error if none of the application's secrets is known to a database that was used with others
   */
  async load(): Promise<void> {
    const { areOwn } = this.secrets;
    let stored = await this.find();
    if (!stored && !areOwn) {
      const secret = randomBytes(SERVER_SECRET_BYTES);
      await this.store.elect(
        this.row({ kid: SECRET_ROW, purpose: SECRET_ROW, period: 0, encryptedPrivateKey: secret }),
      );
      stored = await this.find();
    }
    if (!areOwn) {
      this.logger.warn(
        'the secret is generated and kept in the database: everybody who can read the database can create tokens. Write a random string of at least 32 bytes as option "secret"',
      );
    } else if (stored && !this.options.acceptsGeneratedSecret) {
      this.logger.warn(
        `the generated secret in the database does not count beside option "secret". To keep users logged in who have refresh tokens of it, write secret: [own, 'database']; otherwise delete the row "${SECRET_ROW}" of the signing-key table`,
      );
    }
    if (stored && this.options.acceptsGeneratedSecret) {
      this.secrets.addGenerated(stored.encryptedPrivateKey);
    }
    // Generated signing keys reveal a wrong secret at start; without them, the recorded ids do.
    if (areOwn && this.options.keys.signingKey !== undefined) await this.requireKnown();
  }

  private async requireKnown(): Promise<void> {
    const known = (await this.store.load()).filter(({ purpose }) => purpose === SECRET_ID_ROW).map(({ kid }) => kid);
    const own = this.secrets.own.map(({ id }) => `${SECRET_ID_ROW}/${id}`);
    if (known.length > 0 && !own.some(kid => known.includes(kid))) {
      throw new Error(
        'SessionModule: option "secret" is not the one that this database was used with: every refresh would fail. Write the former secret as well, secret: [new, former]; if it is lost, delete the rows of the signing-key table, which logs everybody out',
      );
    }
    if (known.includes(own[0]!)) return;
    const period = Buffer.from(this.secrets.newest.id, 'base64url').readUInt32BE();
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
