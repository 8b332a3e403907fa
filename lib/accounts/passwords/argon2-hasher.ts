import { Injectable, type OnModuleInit } from '@nestjs/common';
import { createHmac } from 'node:crypto';
import { normalizePassword, PasswordHasher } from './password-hasher.js';

export interface Argon2Settings {
  /** KiB. */
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
  /** The newest first. */
  readonly peppers: readonly string[];
}

/** What is used of @node-rs/argon2, which is an optional package. */
interface Argon2 {
  hash(password: string, options: Omit<Argon2Settings, 'peppers'>): Promise<string>;
  verify(hash: string, password: string): Promise<boolean>;
}

const PEPPERED = /^pepper=([0-9a-f]{8})(\$.+)$/;

/** Argon2id (RFC 9106), on threads of its own. A pepper keys the password before it is hashed. */
@Injectable()
export class Argon2Hasher extends PasswordHasher implements OnModuleInit {
  private readonly peppers: ReadonlyMap<string, string>;
  private readonly newest: string | undefined;
  private argon2!: Argon2;

  constructor(private readonly settings: Argon2Settings) {
    super();
    this.peppers = new Map(settings.peppers.map(pepper => [nameOf(pepper), pepper]));
    this.newest = this.peppers.keys().next().value;
  }

  /** @throws Error that says what to install */
  async onModuleInit(): Promise<void> {
    const argon2 = await import('@node-rs/argon2').catch(() => undefined);
    if (!argon2) {
      throw new Error(
        'AccountModule hashes passwords through the package @node-rs/argon2: run "npm install @node-rs/argon2"',
      );
    }
    this.argon2 = argon2;
  }

  async hash(password: string): Promise<string> {
    const { memoryCost, timeCost, parallelism } = this.settings;
    const hash = await this.argon2.hash(this.keyed(password, this.newest), { memoryCost, timeCost, parallelism });
    return this.newest === undefined ? hash : `pepper=${this.newest}${hash}`;
  }

  /**
   * @throws Error when the pepper of the hash is no longer among the options: a mistake that must not look like a wrong
   * password
   */
  async verify(hash: string, password: string): Promise<boolean> {
    const [, pepper, inner = hash] = PEPPERED.exec(hash) ?? [];
    if (pepper !== undefined && !this.peppers.has(pepper)) {
      throw new Error('A password was hashed with a pepper that the option "password.pepper" no longer has: add it');
    }
    return this.argon2.verify(inner, this.keyed(password, pepper));
  }

  needsRehash(hash: string): boolean {
    const { memoryCost, timeCost, parallelism } = this.settings;
    const pepper = this.newest === undefined ? '' : `pepper=${this.newest}`;
    return !hash.startsWith(`${pepper}$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$`);
  }

  private keyed(password: string, pepper: string | undefined): string {
    const text = normalizePassword(password);
    return pepper === undefined ? text : createHmac('sha256', this.peppers.get(pepper)!).update(text).digest('base64');
  }
}

/** Tells peppers apart, and nothing of them: 32 bits of a keyed hash. */
function nameOf(pepper: string): string {
  return createHmac('sha256', pepper).update('nestjs-jwt-session: name of a pepper').digest('hex').slice(0, 8);
}
