import { expect, it } from '@jest/globals';
import { runCampaign } from './campaign.js';
import { FAULTS } from './plan.js';

const TEN_MINUTES = 600_000;

/** `npm run test:faults` does the same for longer. */
it(
  'every fault once, with two processes: no violation',
  async () => {
    const { violations, faults, history } = await runCampaign({
      seed: 20_261_128,
      seconds: 45,
      processes: 2,
      clients: 4,
      thefts: 2,
      mode: 'live',
    });
    expect(violations).toEqual([]);
    expect([...faults.keys()].sort()).toEqual([...FAULTS].sort());
    expect(history.filter(({ kind }) => kind === 'exchange').length).toBeGreaterThan(100);
  },
  TEN_MINUTES,
);
