import type { Random } from './random.js';

/** Faults of one process, of its way to the database, of the database, and what operators do to processes. */
export const FAULTS = [
  'process killed',
  'process suspended',
  'event loop blocked',
  'clock ahead',
  'clock back',
  'partition',
  'silent network',
  'late statements',
  'late answers',
  'backends killed',
  'disk full',
  'connections refused',
  'database restarted',
  'database crashed',
  'failover',
  'lossy failover',
  'rolling restart',
] as const;

/** Needs libfaketime. */
export const CLOCK_FAULT = 'database clock set';

export type Fault = (typeof FAULTS)[number] | typeof CLOCK_FAULT;

export const OPERATIONS = [
  'log-out',
  'log-out-all',
  'invalidate-access',
  'invalidate-refresh',
  'set-claims',
  'set-claims',
  'rotate-keys',
  'distrust-keys',
  'list',
  'list',
] as const;

/** A fault and when it begins, in milliseconds since the start. */
export interface Planned {
  readonly at: number;
  readonly fault: Fault;
  /** Which process it is about, of those that there are. */
  readonly process: number;
  readonly lasts: number;
}

/** The faults of a campaign: every kind, in a random order, at least once. Some overlap. */
export function planFaults(
  random: Random,
  milliseconds: number,
  faults: readonly Fault[],
  processes: number,
): Planned[] {
  const plan: Planned[] = [];
  const space = Math.min(5_000, milliseconds / faults.length);
  for (let at = space / 2; at < milliseconds;) {
    for (const fault of random.shuffled(faults)) {
      plan.push({ at, fault, process: Math.floor(random.between(0, processes)), lasts: random.between(300, 7_000) });
      at += random.between(0.5, 1.5) * space;
    }
  }
  return plan;
}
