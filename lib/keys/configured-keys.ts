import { Injectable, Logger } from '@nestjs/common';
import { ResolvedSessionOptions, SessionOptionsError } from '../options/resolve-options.js';
import type { SigningKey } from '../options/session-options.js';
import { coveringPeriods, EVER, type KeyPeriod, tokenTiming } from '../rules/key-periods.js';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { KeySource, type RingKey } from './key-source.js';
import { importSigningKey } from './signing-key-import.js';
import { SessionStoreUnavailableError } from '../session.errors.js';

/** How long the application's function may take: requests with a `kid` that is not known yet wait for it. */
const TIMEOUT_MS = 10_000;

/** The application's own keys (F6): one for good, or one for each period. They never touch the database. */
@Injectable()
export class ConfiguredKeys extends KeySource {
  private readonly logger = new Logger('SessionKeys');
  private readonly byPeriod = new Map<number, Promise<RingKey>>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {
    super();
  }

  /** @throws Error where the key that is to sign now cannot be had; failing that, the others are logged and left out */
  async load(): Promise<RingKey[]> {
    if (typeof this.options.keys.signingKey !== 'function') return [await this.keyOf(EVER)];
    const now = this.clock.now();
    const periods = coveringPeriods(now, tokenTiming(this.options));
    for (const period of this.byPeriod.keys()) {
      if (!periods.some(covering => covering.period === period)) this.byPeriod.delete(period);
    }
    const current = periods.findLast(({ signFrom }) => signFrom <= now)!;
    const keys = [await this.keyOf(current)];
    const others = periods.filter(period => period !== current).map(period => this.keyOf(period));
    for (const outcome of await Promise.allSettled(others)) {
      if (outcome.status === 'rejected') this.logger.error((outcome.reason as Error).message);
      else if (keys.some(key => isAnotherOfThatName(key, outcome.value))) {
        this.logger.error(
          `option "keys.signingKey": the keys of two periods have the "kid" ${outcome.value.kid}, so that the tokens of one are refused: give each key its own`,
        );
      } else keys.push(outcome.value);
    }
    return keys.sort((a, b) => a.signFrom - b.signFrom);
  }

  /** Asked for once in each period: what the application answers later for the same one does not count. */
  private keyOf(period: KeyPeriod): Promise<RingKey> {
    const known = this.byPeriod.get(period.period);
    if (known) return known;
    const asked = this.ask(period);
    this.byPeriod.set(period.period, asked);
    asked.catch(() => this.byPeriod.delete(period.period));
    return asked;
  }

  private async ask(period: KeyPeriod): Promise<RingKey> {
    const given = await this.given(period);
    const key = { ...period, ...importSigningKey(given, this.options.accessToken.algorithm) };
    // Whoever shares the secret could make refresh tokens and open seals with it.
    if (key.privateKey.type === 'secret' && this.isServerSecret(key.privateKey.export())) {
      throw new SessionOptionsError([
        'option "keys.signingKey" is the same as "secret", which no other application may know: write another one',
      ]);
    }
    return key;
  }

  private async given(period: KeyPeriod): Promise<SigningKey | undefined> {
    const { signingKey } = this.options.keys;
    if (typeof signingKey !== 'function') return signingKey;
    const [from, until] = [new Date(period.signFrom), new Date(period.signUntil)];
    try {
      // In a function of its own, so that one that throws at once is no different from one that rejects.
      return await this.timers.within(
        TIMEOUT_MS,
        (async () => signingKey({ from, until }))(),
        () => new SessionStoreUnavailableError(),
      );
    } catch (error) {
      throw new Error(
        `option "keys.signingKey": the function has no key for the period from ${from.toISOString()}: ${reasonOf(error)}`,
        { cause: error },
      );
    }
  }

  private isServerSecret(bytes: Buffer): boolean {
    return this.options.secrets.some(secret => bytes.equals(Buffer.from(secret)));
  }
}

function isAnotherOfThatName(key: RingKey, other: RingKey): boolean {
  return key.kid === other.kid && !key.publicKey.equals(other.publicKey);
}

function reasonOf(error: unknown): string {
  // What JSON.parse says quotes what it was given: the key.
  if (error instanceof SyntaxError) return 'it cannot parse what it has';
  return error instanceof Error ? error.message : 'it has thrown no Error';
}
