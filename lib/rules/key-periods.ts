/**
 * When a key is published, signs and retires; times are milliseconds since the epoch. Time is divided into periods of
 * `rotateEvery`. Every process computes the same periods, so a unique constraint on the period elects the key of each.
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

/** A key whose successor is late signs for longer. This margin keeps it until those tokens have expired. */
const RETIREMENT_MARGIN_MS = 60_000;

/** The key that signs: of the keys whose period has begun, the one that began last. */
export function signingKey<Key extends KeyPeriod>(keys: readonly Key[], now: number): Key | undefined {
  return keys
    .filter(key => key.signFrom <= now && now < key.retireAt)
    .reduce<Key | undefined>((latest, key) => (latest && latest.signFrom >= key.signFrom ? latest : key), undefined);
}

/** The keys of the JWK Set, which verify tokens: each until its last token has expired. */
export function verifyingKeys<Key extends KeyPeriod>(keys: readonly Key[], now: number): Key[] {
  return keys.filter(key => now < key.retireAt);
}

/**
 * The period for which a key must be made now; undefined if no key is due. A key is due `publishAhead` before the end
 * of the last one. Every process computes the same period, and the unique constraint elects one of their keys.
 */
export function dueKeyPeriod(
  keys: readonly KeyPeriod[],
  now: number,
  schedule: RotationSchedule,
): KeyPeriod | undefined {
  const end = endOf(keys, now);
  if (end > now) return now < end - schedule.publishAhead ? undefined : periodFrom(end, now, schedule);
  // The first key, or the first after a gap: no verifier needs it published ahead. It counts from the period's start,
  // so that a process whose clock is behind uses it too.
  const periodStart = Math.floor(now / schedule.rotateEvery) * schedule.rotateEvery;
  return periodFrom(Math.max(periodStart, end), now, schedule);
}

/**
 * The period of a key that is made before it is due, published as far ahead as any other; the due period if that begins
 * sooner.
 */
export function earlyKeyPeriod(
  keys: readonly KeyPeriod[],
  now: number,
  schedule: RotationSchedule,
): KeyPeriod | undefined {
  const signFrom = now + schedule.publishAhead;
  return signFrom < endOf(keys, now) ? periodFrom(signFrom, now, schedule) : dueKeyPeriod(keys, now, schedule);
}

/**
 * The period of a key that replaces distrusted ones: it signs immediately and does not compete with them for a period.
 */
export function replacementKeyPeriod(now: number, schedule: RotationSchedule): KeyPeriod {
  const periodStart = Math.floor(now / schedule.rotateEvery) * schedule.rotateEvery;
  return { ...periodFrom(periodStart, now, schedule), period: now };
}

/**
 * The periods whose keys count now: from the first one with unexpired tokens to the next one, once its key is
 * published. For configured keys, which need no election because every process has the same.
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

/** The options that determine the rotation schedule. */
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
 * The time until which keys sign without a gap. A key after a gap does not count: a process whose clock was far ahead
 * may have made it, and no key would sign until it begins.
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
    retireAt: signUntil + schedule.tokenLifetime + RETIREMENT_MARGIN_MS,
  };
}
