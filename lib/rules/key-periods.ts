/**
 * When keys are made, sign and retire. Time is cut into periods of `rotateEvery`; every process computes the same
 * periods, so that a unique constraint on the period is all the election there is. Times are milliseconds since the epoch.
 */
export interface KeyPeriod {
  /** The number of the period; for an early rotation the time at which the key starts to sign. */
  readonly period: number;
  readonly publishAt: number;
  readonly signFrom: number;
  readonly signUntil: number;
  /** When the last token that the key has signed has expired. */
  readonly retireAt: number;
}

export interface RotationSchedule {
  readonly rotateEvery: number;
  readonly publishAhead: number;
  /** How long a token can outlive the signing of its key: access-token lifetime and clock tolerance. */
  readonly tokenLifetime: number;
}

/** A key that was not rotated in time still signs until the next one is there; its tokens must be verifiable so long. */
const GRACE = 60_000;

/** The key that signs: the one that began last, of those that have begun. */
export function signingKey<Key extends KeyPeriod>(keys: readonly Key[], now: number): Key | undefined {
  return keys
    .filter(key => key.signFrom <= now && now < key.retireAt)
    .reduce<Key | undefined>((latest, key) => (latest && latest.signFrom >= key.signFrom ? latest : key), undefined);
}

/** The keys that the JWKS shows and that verify: from the moment they exist until their last token has expired. */
export function verifyingKeys<Key extends KeyPeriod>(keys: readonly Key[], now: number): Key[] {
  return keys.filter(key => now < key.retireAt);
}

/** The period for which a key must be made now, if any. */
export function dueKeyPeriod(
  keys: readonly KeyPeriod[],
  now: number,
  schedule: RotationSchedule,
): KeyPeriod | undefined {
  const { rotateEvery, publishAhead } = schedule;
  const period = Math.floor(now / rotateEvery);
  const current = signingKey(keys, now);
  // The first key, or the first after everything stood still: nobody can have been waiting for its publication. It
  // counts from the period's start, so that a process whose clock is behind uses it too.
  if (!current || current.signUntil <= now) return periodOf(period, now, schedule);
  const announced = keys.some(key => key.signFrom > now);
  if (announced || now < (period + 1) * rotateEvery - publishAhead) return undefined;
  return periodOf(period + 1, now, schedule);
}

/** The period of a key that is made out of turn: published as far ahead as any other. */
export function earlyKeyPeriod(now: number, schedule: RotationSchedule): KeyPeriod {
  const signFrom = now + schedule.publishAhead;
  const { signUntil, retireAt } = periodOf(Math.floor(signFrom / schedule.rotateEvery), now, schedule);
  // Numbered by its time, which no regular period reaches: it must not take the place of one in the election.
  return { period: signFrom, publishAt: now, signFrom, signUntil, retireAt };
}

/** The period of a key that replaces distrusted ones: it signs at once. */
export function replacementKeyPeriod(now: number, schedule: RotationSchedule): KeyPeriod {
  return { ...periodOf(Math.floor(now / schedule.rotateEvery), now, schedule), period: now };
}

function periodOf(period: number, publishAt: number, schedule: RotationSchedule): KeyPeriod {
  const signFrom = period * schedule.rotateEvery;
  const signUntil = signFrom + schedule.rotateEvery;
  return { period, publishAt, signFrom, signUntil, retireAt: signUntil + schedule.tokenLifetime + GRACE };
}
