import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { GeneratedAlgorithm } from '../options/session-options.js';
import {
  dueKeyPeriod,
  earlyKeyPeriod,
  type KeyPeriod,
  replacementKeyPeriod,
  type RotationSchedule,
  tokenTiming,
} from '../rules/key-periods.js';
import { SessionEvents } from '../session.events.js';
import { SessionClock } from '../common/clock.js';
import { randomBytes } from '../common/random.js';
import { KeyStore } from '../store/key.store.js';
import { generatePrivateKey, publicJwkOf, thumbprintOf } from './key-pair.js';
import { KeyRing } from './key-ring.js';
import { Schedule } from '../common/schedule.js';
import { sealPrivateKey } from './key-encryption.js';
import { ServerSecrets } from './server-secrets.js';
import { StoredKeys } from './stored-keys.js';

const IV_BYTES = 12;
const MAX_TICK_MS = 60_000;
const MIN_TICK_MS = 250;

/** Where the schedule was changed a period can be so short that the next key is due together with its own. */
const MAX_CONCURRENT = 2;

/**
 * Makes signing keys when they are due. There is no leader: every process may make the key of a period, the unique
 * constraint on the period elects one of them, and everyone reads back the winner.
 */
@Injectable()
export class KeyRotation {
  private readonly logger = new Logger('SessionKeys');
  private stopTimer?: () => void;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly store: KeyStore,
    private readonly ring: KeyRing,
    private readonly stored: StoredKeys,
    private readonly secrets: ServerSecrets,
    private readonly clock: SessionClock,
    private readonly events: SessionEvents,
    private readonly schedule: Schedule,
  ) {}

  /** Makes the first key, and more as they come due. */
  async start(): Promise<void> {
    await this.tick();
    if (this.stored.isLockedOut) {
      throw new Error(
        'SessionModule: option "secret" does not open the signing keys in the database, so it is not the one they were made with. Write the former secret as well, secret: [new, former]; if it is lost, delete the rows of the signing-key table, which logs everybody out',
      );
    }
    const every = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, this.options.keys.publishAhead / 4));
    this.stopTimer = this.schedule.every('jwt-session-key-rotation', every, () => this.tick());
  }

  stop(): void {
    this.stopTimer?.();
  }

  /** Reads the keys and makes what is due. */
  async tick(): Promise<void> {
    await this.ring.reload();
    if (this.areSupplied || this.stored.isLockedOut) return;
    for (let made = 0; made < MAX_CONCURRENT; made++) {
      const due = dueKeyPeriod(this.ring.candidates, this.clock.now(), this.timing);
      if (!due) return;
      await this.make(due);
    }
  }

  /**
   * Makes a key out of turn.
   *
   * @param distrust the keys that sign or have signed are stolen: their tokens are refused at once, clients refresh
   */
  async rotateNow(distrust: boolean): Promise<void> {
    if (this.areSupplied) {
      throw new Error(
        'rotateKeys: the signing key is the application\'s own (option "keys.signingKey"): write another one there, and tokens of the former are refused',
      );
    }
    const now = this.clock.now();
    await this.ring.reload();
    if (!distrust) {
      const early = earlyKeyPeriod(this.ring.candidates, now, this.timing);
      return early && this.make(early);
    }
    const kids = this.ring.verifying.map(({ kid }) => kid);
    // The new key first: the others look for it as soon as they hear that the old ones are gone.
    await this.make(replacementKeyPeriod(now, this.timing));
    await this.store.distrust(kids);
    this.ring.forget(kids);
    this.logger.warn(`distrusted ${kids.length} signing keys: clients refresh now`);
  }

  /** Whether the application brings its own keys, of which none is made here. */
  private get areSupplied(): boolean {
    return this.options.keys.signingKey !== undefined;
  }

  private async make(period: KeyPeriod): Promise<void> {
    // HS256 is refused at start without a key of the application's own.
    const algorithm = this.options.accessToken.algorithm as GeneratedAlgorithm;
    const privateKey = await generatePrivateKey(algorithm);
    const publicJwk = publicJwkOf(privateKey);
    const purpose = `${this.stored.purpose}${algorithm}`;
    const key = { ...period, kid: thumbprintOf(publicJwk), purpose, algorithm, publicJwk };
    const seal = sealPrivateKey(privateKey, key, this.secrets.newest, randomBytes(IV_BYTES));
    const elected = await this.stored.elect({ ...key, sealedPrivateKey: seal });
    await this.ring.reload();
    if (!elected) return;
    this.logger.log(`new signing key ${key.kid} (${algorithm}) signs from ${new Date(key.signFrom).toISOString()}`);
    this.events.emit({ type: 'keys.rotated', kid: key.kid, signFrom: new Date(key.signFrom) });
  }

  private get timing(): RotationSchedule {
    return tokenTiming(this.options);
  }
}
