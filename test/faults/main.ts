import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runCampaign } from './campaign.js';
import type { Mutation } from './mutations.js';
import { CLOCK_FAULT, FAULTS, type Fault } from './plan.js';
import type { Feed, Mode } from './settings.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    seconds: { type: 'string', default: '600' },
    processes: { type: 'string', default: '4' },
    clients: { type: 'string', default: '8' },
    thefts: { type: 'string', default: '4' },
    mode: { type: 'string', default: 'live' },
    feed: { type: 'string', default: 'notify' },
    'max-per-user': { type: 'string' },
    'small-disk': { type: 'boolean', default: false },
    faketime: { type: 'string' },
    faults: { type: 'string', default: FAULTS.join(',') },
    mutation: { type: 'string' },
    history: { type: 'string' },
  },
});

const seed = Number(values.seed);
console.log(`npm run test:faults -- --seed ${seed} --seconds ${values.seconds} --mode ${values.mode}`);
const { violations, history, faults, output } = await runCampaign({
  seed,
  seconds: Number(values.seconds),
  processes: Number(values.processes),
  clients: Number(values.clients),
  thefts: Number(values.thefts),
  mode: values.mode as Mode,
  feed: values.feed as Feed,
  machine: { hasSmallDisk: values['small-disk'], faketime: values.faketime },
  maxPerUser: values['max-per-user'] === undefined ? undefined : Number(values['max-per-user']),
  mutation: values.mutation as Mutation | undefined,
  faults: [...values.faults.split(','), ...(values.faketime ? [CLOCK_FAULT] : [])] as Fault[],
  log: line => console.log(line),
});

const exchanges = history.filter(entry => entry.kind === 'exchange');
const refreshes = exchanges.filter(({ action }) => action === 'refresh');
console.log(`
${exchanges.length} requests, ${refreshes.length} refreshes, ${refreshes.filter(({ answer }) => !answer).length} of them without an answer
${history.filter(({ kind }) => kind === 'copied').length} thefts, ${history.filter(({ kind }) => kind === 'theft').length} declared
${[...faults].map(([fault, count]) => `${count} × ${fault}`).join(', ')}
${violations.length} violations
`);
for (const { invariant, at, description } of violations)
  console.log(`${(at / 1_000).toFixed(1)} s  ${invariant}: ${description}`);
if (values.history) writeFileSync(values.history, JSON.stringify({ history, output: [...output] }));
process.exit(violations.length === 0 ? 0 : 1);
