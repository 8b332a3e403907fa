import { Injectable, Logger } from '@nestjs/common';
import { SessionClock } from '../common/clock.js';
import { Schedule } from '../common/schedule.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import {
  dueKeyPeriod,
  earlyKeyPeriod,
  type KeyPeriod,
  replacementKeyPeriod,
  tokenTiming,
} from '../rules/key-periods.js';
import { SessionEvents } from '../session.events.js';
import { KeyStore } from '../store/key.store.js';
import { GeneratedKeys } from './generated-keys.js';
import { KeyRing } from './key-ring.js';
import { ServerSecrets } from './server-secrets.js';
import { StoredSecrets } from './stored-secrets.js';

const MAX_TICK_MS = 60_000;
const MIN_TICK_MS = 250;

/** After a change of the schedule, a period can be so short that the next key is due at the same time. */
const MAX_DUE_KEYS = 2;

/**
 * Makes signing keys when they are due. There is no leader: every process may make the key of a period, the unique
 * constraint on the period elects one of them, and all processes load the elected key.
 */
@Injectable()
export class KeyRotation {
  private readonly logger = new Logger('SessionKeys');
  private stopTimer?: () => void;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly secrets: ServerSecrets,
    private readonly ring: KeyRing,
    private readonly generated: GeneratedKeys,
    private readonly store: KeyStore,
    private readonly clock: SessionClock,
    private readonly events: SessionEvents,
    private readonly schedule: Schedule,
  ) {}

  /**
   * Loads the server secrets, makes the first key, and schedules those that follow.
   *
   * @throws Error if the secrets decrypt none of the keys in the database, or the configured key cannot be loaded
   */
  async start(): Promise<void> {
    await new StoredSecrets(this.options, this.secrets, this.store, this.clock).load();
    await this.tick();
    if (this.generated.cannotDecryptAny) {
      throw new Error(
        'SessionModule: option "secret" does not decrypt the signing keys in the database: it is not the one they were made with. Write the former secret as well, secret: [new, former]; if it is lost, delete the rows of the signing-key table, which logs everybody out',
      );
    }
    const interval = Math.max(MIN_TICK_MS, Math.min(MAX_TICK_MS, this.options.keys.publishAhead / 4));
    this.stopTimer = this.schedule.every('jwt-session-key-rotation', interval, () => this.tick());
  }

  stop(): void {
    this.stopTimer?.();
  }

  /** Loads the keys and makes those that are due. */
  async tick(): Promise<void> {
    await this.ring.reload();
    if (this.isConfigured || this.generated.cannotDecryptAny) return;
    if (this.ring.lostDistrust.length > 0) await this.store.distrust(this.ring.lostDistrust);
    let due = this.duePeriod;
    for (let made = 0; due && made < MAX_DUE_KEYS; made++) {
      await this.make(due);
      const next = this.duePeriod;
      // A key that does not count here has the period: it cannot be decrypted, or is distrusted.
      const isTaken = next?.period === due.period;
      due = isTaken ? { ...next!, period: this.clock.now() } : next;
    }
  }

  /**
   * Makes a key before it is due.
   *
   * @param distrust refuses the tokens of all former keys at once; clients refresh
   * @throws Error if the signing key is configured
   */
  async rotateNow(distrust: boolean): Promise<void> {
    if (this.isConfigured) {
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
    // The new key comes first: other processes look for it as soon as they learn that the former ones are distrusted.
    await this.make(replacementKeyPeriod(now, this.timing));
    await this.store.distrust(kids);
    this.ring.distrust(kids);
    this.logger.warn(`distrusted ${kids.length} signing keys: clients refresh now`);
  }

  private get isConfigured(): boolean {
    return this.options.keys.signingKey !== undefined;
  }

  private async make(period: KeyPeriod): Promise<void> {
    const kid = await this.generated.create(period);
    await this.ring.reload();
    if (kid === undefined) return;
    const signFrom = new Date(period.signFrom);
    this.logger.log(`new signing key ${kid} signs from ${signFrom.toISOString()}`);
    this.events.emit({ type: 'keys.rotated', kid, signFrom });
  }

  private get duePeriod(): KeyPeriod | undefined {
    return dueKeyPeriod(this.ring.candidates, this.clock.now(), this.timing);
  }

  private get timing() {
    return tokenTiming(this.options);
  }
}
