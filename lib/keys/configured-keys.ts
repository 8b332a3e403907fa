import { Logger } from '@nestjs/common';
import type { SessionClock, SessionTimers } from '../common/clock.js';
import { SessionOptionsError } from '../common/option-mistakes.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { SigningKey } from '../options/token-options.js';
import { coveringPeriods, EVER, type KeyPeriod, tokenTiming } from '../rules/key-periods.js';
import { SessionStoreUnavailableError } from '../session.errors.js';
import type { KeySource, RingKey } from './key-ring.js';
import { importSigningKey } from './signing-key-import.js';

/** Time limit for the application's function: requests with an unknown `kid` wait for it. */
const FUNCTION_TIMEOUT_MS = 10_000;

/** The application's own keys (F6): one for all time, or one for each period. They are not kept in the database. */
export class ConfiguredKeys implements KeySource {
  private readonly logger = new Logger('SessionKeys');
  private readonly byPeriod = new Map<number, Promise<RingKey>>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {}

  /** @throws Error if the current key cannot be loaded. Failures of other periods are logged and skipped. */
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
      else if (keys.some(key => isOtherKeyOfSameId(key, outcome.value))) {
        this.logger.error(
          `option "keys.signingKey": the keys of two periods have the "kid" ${outcome.value.kid}, so that the tokens of one are refused: give each key its own`,
        );
      } else keys.push(outcome.value);
    }
    return keys.sort((a, b) => a.signFrom - b.signFrom);
  }

  /** The application is asked once for each period; a later answer for the same period does not count. */
  private keyOf(period: KeyPeriod): Promise<RingKey> {
    const known = this.byPeriod.get(period.period);
    if (known) return known;
    const imported = this.importKeyOf(period);
    this.byPeriod.set(period.period, imported);
    imported.catch(() => this.byPeriod.delete(period.period));
    return imported;
  }

  private async importKeyOf(period: KeyPeriod): Promise<RingKey> {
    const given = await this.request(period);
    const key = { ...period, ...(await importSigningKey(given, this.options.accessToken.algorithm)) };
    // An application that shares the secret could make refresh tokens and decrypt signing keys with it.
    if (key.privateKey.type === 'secret' && this.isServerSecret(key.privateKey.export())) {
      throw new SessionOptionsError([
        'option "keys.signingKey" is the same as "secret", which no other application may know: write another one',
      ]);
    }
    return key;
  }

  private async request(period: KeyPeriod): Promise<SigningKey | undefined> {
    const { signingKey } = this.options.keys;
    if (typeof signingKey !== 'function') return signingKey;
    const [from, until] = [new Date(period.signFrom), new Date(period.signUntil)];
    try {
      // The wrapper turns a function that throws into one that rejects.
      return await this.timers.within(
        FUNCTION_TIMEOUT_MS,
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

function isOtherKeyOfSameId(key: RingKey, other: RingKey): boolean {
  return key.kid === other.kid && !key.publicKey.equals(other.publicKey);
}

function reasonOf(error: unknown): string {
  // The message of JSON.parse quotes its input, which is the key.
  if (error instanceof SyntaxError)
    return 'the text of the key cannot be parsed; the SyntaxError is not shown, because it may contain the key';
  return error instanceof Error ? error.message : 'it threw a value that is not an Error';
}
