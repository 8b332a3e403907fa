import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  dueKeyPeriod,
  earlyKeyPeriod,
  type KeyPeriod,
  type RotationSchedule,
  signingKey,
  verifyingKeys,
} from '../../lib/rules/key-periods.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LIFETIME = 10 * MINUTE + 5_000;

/** How often a process looks whether a key is due, as `KeyRotation` does. */
const lookEvery = ({ publishAhead }: RotationSchedule) => Math.min(MINUTE, publishAhead / 4);

/** What happens in the life of an installation; durations are milliseconds. */
type Step =
  /** The processes look regularly for so long. */
  | { readonly run: number }
  /** No process runs for so long. */
  | { readonly standstill: number }
  /** Somebody calls `rotateKeys()`. */
  | { readonly early: true }
  /** A new configuration is deployed. */
  | { readonly schedule: RotationSchedule }
  /** A process whose clock is so far ahead looks once. */
  | { readonly ahead: number };

/** One installation: its key table, its time, and what must always hold. */
class Installation {
  keys: KeyPeriod[] = [];
  /** Until then a key may sign that was not published in advance: nobody was there to publish it. */
  private excusedUntil: number;
  private readonly hasSigned = new Set<KeyPeriod>();

  constructor(
    public now: number,
    public schedule: RotationSchedule,
  ) {
    this.excusedUntil = now + schedule.publishAhead;
    this.look();
  }

  apply(step: Step): void {
    if ('run' in step) return this.run(step.run);
    if ('early' in step) {
      const early = earlyKeyPeriod(this.load(this.now), this.now, this.schedule);
      return early && this.elect(early);
    }
    if ('ahead' in step) return this.lookAhead(step.ahead);
    if ('schedule' in step) this.schedule = step.schedule;
    else this.now += step.standstill;
    // What a process does not see it cannot publish; a changed publishAhead counts from now on.
    this.excusedUntil = this.now + this.schedule.publishAhead;
    this.look();
  }

  private run(duration: number): void {
    const end = this.now + duration;
    while (this.now < end) {
      const next = Math.min(end, this.now + lookEvery(this.schedule));
      // What can change between two looks changes where a key begins or ends.
      const edges = this.keys.flatMap(({ signFrom, signUntil, retireAt }) => [signFrom, signUntil, retireAt]);
      const moments = edges.flatMap(edge => [edge - 1, edge, edge + 1]).filter(edge => edge > this.now && edge < next);
      for (const moment of [...moments.sort((a, b) => a - b), next]) this.check(moment);
      this.now = next;
      this.look();
    }
  }

  private look(): void {
    for (let made = 0; made < 2; made++) {
      const due = dueKeyPeriod(this.load(this.now), this.now, this.schedule);
      if (due) this.elect(due);
    }
    this.check(this.now);
  }

  private lookAhead(ahead: number): void {
    const moment = this.now + ahead;
    const due = dueKeyPeriod(this.load(moment), moment, this.schedule);
    // All processes see it from now on, whatever that clock says.
    if (due) this.elect({ ...due, publishAt: this.now });
  }

  /** In the order in which the store gives them; where two begin at once, the older one first. */
  private load(moment: number): KeyPeriod[] {
    return verifyingKeys(this.keys, moment).sort((a, b) => a.signFrom - b.signFrom);
  }

  /** As the unique constraint does: the first key of a period stays. */
  private elect(key: KeyPeriod): void {
    if (!this.keys.some(({ period }) => period === key.period)) this.keys.push(key);
  }

  private check(moment: number): void {
    const signing = signingKey(this.load(moment), moment);
    if (!signing) throw new Error(`no key signs at ${moment}`);
    if (moment + this.schedule.tokenLifetime > signing.retireAt) {
      throw new Error(`a token signed ${moment - signing.signUntil} ms after its key's time outlives it`);
    }
    if (this.hasSigned.has(signing)) return;
    this.hasSigned.add(signing);
    const early = signing.publishAt + this.schedule.publishAhead - lookEvery(this.schedule) - moment;
    if (moment >= this.excusedUntil && early > 0) throw new Error(`a key signs ${early} ms too early`);
  }
}

const schedule: fc.Arbitrary<RotationSchedule> = fc
  .tuple(fc.constantFrom(20 * MINUTE, HOUR, HOUR + 7, 2 * HOUR, 5 * HOUR), fc.integer({ min: 2, max: 12 }))
  .map(([rotateEvery, part]) => ({
    rotateEvery,
    publishAhead: Math.floor(rotateEvery / part),
    tokenLifetime: LIFETIME,
  }));

const start = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2035, 0) });
const duration = fc.oneof(fc.integer({ min: 0, max: 5 * MINUTE }), fc.integer({ min: 0, max: 6 * HOUR }));

/** Lets installations live such lives; they throw where something does not hold. */
const holds = (steps: fc.Arbitrary<Step>, numRuns: number) =>
  fc.assert(
    fc.property(start, schedule, fc.array(steps, { maxLength: 8 }), (now, timing, life) => {
      const installation = new Installation(now, timing);
      for (const step of life) installation.apply(step);
    }),
    { numRuns },
  );

describe('the periods of signing keys', () => {
  it.each([
    { rotateEvery: 2 * HOUR, publishAhead: 30 * MINUTE, tokenLifetime: LIFETIME },
    { rotateEvery: 5 * HOUR, publishAhead: HOUR, tokenLifetime: LIFETIME },
    { rotateEvery: 2_000, publishAhead: 1_000, tokenLifetime: LIFETIME },
  ])('J07: one key signs at any time, published ahead, verifiable to the end: $rotateEvery ms', timing => {
    const { rotateEvery, publishAhead } = timing;
    // Started at every tenth of a period, and at the edges.
    const offsets = Array.from({ length: 10 }, (_, tenth) => (tenth * rotateEvery) / 10);
    for (const offset of [...offsets, 1, rotateEvery - publishAhead, rotateEvery - publishAhead - 1, rotateEvery - 1]) {
      const installation = new Installation(Math.floor(Date.UTC(2026, 0) / rotateEvery) * rotateEvery + offset, timing);
      installation.apply({ run: 3 * rotateEvery });
      expect(installation.keys.map(({ signFrom }) => signFrom % rotateEvery)).toEqual(installation.keys.map(() => 0));
      expect(installation.keys.length).toBeGreaterThanOrEqual(4);
      expect(installation.keys.length).toBeLessThanOrEqual(5);
    }
  });

  const run = duration.map((time): Step => ({ run: time }));
  const standstill = fc.oneof(duration, fc.constant(24 * HOUR)).map((time): Step => ({ standstill: time }));

  it('J07: it stays so across restarts and standstills', () => holds(fc.oneof(run, standstill), 80));

  it('J07: it stays so when keys are rotated out of turn', () =>
    holds(fc.oneof(run, fc.constant<Step>({ early: true })), 80));

  it('J07: it stays so when a process whose clock is far ahead makes a key', () =>
    holds(
      fc.oneof(
        run,
        duration.map((time): Step => ({ ahead: 4 * time })),
      ),
      80,
    ));

  it('J07: it stays so when rotateEvery and publishAhead are changed', () =>
    holds(
      fc.oneof(
        run,
        schedule.map((timing): Step => ({ schedule: timing })),
      ),
      40,
    ));

  it('J07: a period that a change has cut short is followed by the next in time', () => {
    const short = { rotateEvery: 20 * MINUTE, publishAhead: 10 * MINUTE, tokenLifetime: LIFETIME };
    const installation = new Installation(1_827_283_979_989, short);
    installation.apply({ schedule: { rotateEvery: HOUR + 7, publishAhead: 1_800_003, tokenLifetime: LIFETIME } });
    installation.apply({ schedule: short });
    installation.apply({ run: 12 });
    expect(() => installation.apply({ run: 2 * HOUR })).not.toThrow();
  });

  it('J08: processes whose clocks differ make the same keys', () => {
    fc.assert(
      fc.property(start, schedule, fc.integer({ min: 0, max: 2_000 }), (now, timing, skew) => {
        const first = dueKeyPeriod([], now, timing)!;
        const behind = now - skew;
        fc.pre(behind >= first.signFrom);
        // The one whose clock is behind would have made the same, and uses what it finds.
        expect(dueKeyPeriod([], behind, timing)).toMatchObject({ period: first.period, signFrom: first.signFrom });
        expect(signingKey([first], behind)).toBe(first);
        const ahead = timing.publishAhead;
        if (behind < first.signUntil - ahead) expect(dueKeyPeriod([first], behind, timing)).toBeUndefined();
      }),
    );
  });
});
