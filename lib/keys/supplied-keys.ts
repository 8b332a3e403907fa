import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { coveringPeriods, EVER, type KeyPeriod, tokenTiming } from '../rules/key-periods.js';
import { SessionClock } from '../session.runtime.js';
import { KeySource, type RingKey } from './key-source.js';
import { importSigningKey } from './signing-key-import.js';

/** The application's own keys (F6): one for good, or one for each period. They never touch the database. */
@Injectable()
export class SuppliedKeys extends KeySource {
  private readonly byPeriod = new Map<number, RingKey>();

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly clock: SessionClock,
  ) {
    super();
  }

  async load(): Promise<RingKey[]> {
    const { signingKey } = this.options.keys;
    if (typeof signingKey !== 'function') return [await this.keyOf(EVER)];
    const periods = coveringPeriods(this.clock.now(), tokenTiming(this.options));
    const keys = await Promise.all(periods.map(period => this.keyOf(period)));
    for (const period of this.byPeriod.keys()) {
      if (!periods.some(covering => covering.period === period)) this.byPeriod.delete(period);
    }
    return keys;
  }

  /** Asked for once in each period: what the application answers later for the same one does not count. */
  private async keyOf(period: KeyPeriod): Promise<RingKey> {
    const known = this.byPeriod.get(period.period);
    if (known) return known;
    const { signingKey } = this.options.keys;
    const given =
      typeof signingKey === 'function'
        ? await signingKey({ from: new Date(period.signFrom), until: new Date(period.signUntil) })
        : signingKey;
    const key = { ...period, ...importSigningKey(given, this.options.accessToken.algorithm) };
    this.byPeriod.set(period.period, key);
    return key;
  }
}
