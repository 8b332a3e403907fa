/**
 * When keys are made, sign and retire. Time is cut into periods of `rotateEvery`; every process computes the same
 * periods, so that a unique constraint on the period is all the election there is. Times are milliseconds since the epoch.
 */
export interface KeyPeriod {
  /** Names the period in the election: the time at which it begins. */
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

/** For a key that is not rotated. */
export const EVER: KeyPeriod = {
  period: 0,
  publishAt: -Infinity,
  signFrom: -Infinity,
  signUntil: Infinity,
  retireAt: Infinity,
};

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

/**
 * The period for which a key must be made now, if any: the one that follows the last key's, from `publishAhead` before it
 * begins. Every process comes to the same, and the unique constraint on the period elects one of their keys.
 */
export function dueKeyPeriod(
  keys: readonly KeyPeriod[],
  now: number,
  schedule: RotationSchedule,
): KeyPeriod | undefined {
  const end = endOf(keys, now);
  if (end > now) return now < end - schedule.publishAhead ? undefined : periodFrom(end, now, schedule);
  // The first key, or the first after a standstill: no verifier needs it published ahead. It
  // counts from the period's start, so that a process whose clock is behind uses it too.
  const periodStart = Math.floor(now / schedule.rotateEvery) * schedule.rotateEvery;
  return periodFrom(Math.max(periodStart, end), now, schedule);
}

/**
 * The period of a key that is made out of turn, published as far ahead as any other. Where the next key is to be published
 * by now in any case, it is that one.
 */
export function earlyKeyPeriod(
  keys: readonly KeyPeriod[],
  now: number,
  schedule: RotationSchedule,
): KeyPeriod | undefined {
  const signFrom = now + schedule.publishAhead;
  return signFrom < endOf(keys, now) ? periodFrom(signFrom, now, schedule) : dueKeyPeriod(keys, now, schedule);
}

/** The period of a key that replaces distrusted ones: it signs at once, and stands for no election against them. */
export function replacementKeyPeriod(now: number, schedule: RotationSchedule): KeyPeriod {
  const periodStart = Math.floor(now / schedule.rotateEvery) * schedule.rotateEvery;
  return { ...periodFrom(periodStart, now, schedule), period: now };
}

/**
 * The periods whose keys count now, for keys that need no election because every process has the same: from the first that
 * has living tokens to the next, once that is to be published.
 */
export function coveringPeriods(now: number, schedule: RotationSchedule): KeyPeriod[] {
  const periods: KeyPeriod[] = [];
  const latest = Math.floor((now + schedule.publishAhead) / schedule.rotateEvery) * schedule.rotateEvery;
  for (let from = latest; ; from -= schedule.rotateEvery) {
    const period = periodFrom(from, from - schedule.publishAhead, schedule);
    if (period.retireAt <= now) return periods;
    periods.unshift(period);
  }
}

/** What of the options decides when keys rotate. */
export function tokenTiming({
  keys,
  accessToken,
}: {
  readonly keys: { readonly rotateEvery: number; readonly publishAhead: number };
  readonly accessToken: { readonly lifetime: number; readonly clockTolerance: number };
}): RotationSchedule {
  const { rotateEvery, publishAhead } = keys;
  return { rotateEvery, publishAhead, tokenLifetime: accessToken.lifetime + accessToken.clockTolerance };
}

/**
 * Until when there is a key that signs, without a gap. A key beyond a gap does not count: a process whose clock was far
 * ahead may have made it, and there would be none until then.
 */
function endOf(keys: readonly KeyPeriod[], now: number): number {
  const living = keys.filter(key => now < key.retireAt).toSorted((one, other) => one.signFrom - other.signFrom);
  return living.reduce(
    (end, { signFrom, signUntil }) => (signFrom <= Math.max(end, now) ? Math.max(end, signUntil) : end),
    -Infinity,
  );
}

/** From a moment to the end of the period that it lies in. */
function periodFrom(signFrom: number, publishAt: number, schedule: RotationSchedule): KeyPeriod {
  const signUntil = (Math.floor(signFrom / schedule.rotateEvery) + 1) * schedule.rotateEvery;
  return {
    period: signFrom,
    publishAt,
    signFrom,
    signUntil,
    retireAt: signUntil + schedule.tokenLifetime + GRACE,
  };
}
