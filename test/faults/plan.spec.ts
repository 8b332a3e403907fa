import { describe, expect, it } from '@jest/globals';
import { FAULTS, planFaults } from './plan.js';
import { Random } from './random.js';

const plan = (seed: number) => planFaults(new Random(seed), 60_000, FAULTS, 4);

describe('the plan of a campaign', () => {
  it('is repeated by its seed', () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(8)).not.toEqual(plan(7));
  });

  it('has every fault, on processes that there are', () => {
    expect(new Set(plan(7).map(({ fault }) => fault))).toEqual(new Set(FAULTS));
    expect(plan(7).every(({ process, at }) => process >= 0 && process < 4 && at < 120_000)).toBe(true);
  });
});
