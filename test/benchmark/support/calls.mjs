import { countStatements } from './statements.mjs';
import { median, shuffled, spread, sum } from './statistics.mjs';

const WARM_UP = 2_500;
const ROUNDS = 7;
const ROUND = 150;
/** Calls at a time: as many as fit into some milliseconds. */
const MAX_BATCH = 500;
const SMALLEST_BATCH = 10;
const BATCH = 20;

/**
 * Something to call over and over.
 *
 * @typedef {object} Contestant
 * @property {string} name
 * @property {(count: number) => unknown[]} prepare makes the calls' inputs, outside the time that is measured
 * @property {(input: any) => unknown} run one call; a promise is waited for
 * @property {(milliseconds: number) => ReturnType<typeof callFor>} [callFor] where calls are made elsewhere
 */

/**
 * Times calls that need nothing but the processor, one after another. All contestants warm up, then take turns in
 * rounds, in another order each time.
 *
 * @param {string} measure
 * @param {Contestant[]} contestants
 * @returns {Promise<import('./result.mjs').Result[]>}
 */
export async function timeCalls(measure, contestants) {
  console.error(`  ${measure} …`);
  const make = (contestant, milliseconds) => contestant.callFor?.(milliseconds) ?? callFor(contestant, milliseconds);
  for (const contestant of contestants) await make(contestant, WARM_UP);
  const taken = new Map(contestants.map(contestant => [contestant, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const contestant of shuffled(contestants)) taken.get(contestant).push(await make(contestant, ROUND));
  }
  return contestants.map(contestant => {
    const rounds = taken.get(contestant);
    const perCall = rounds.map(({ elapsed, calls }) => elapsed / calls);
    return {
      measure,
      contestant: contestant.name,
      unit: 'µs',
      value: median(perCall),
      spread: spread(perCall),
      rounds: perCall,
      cpu: perCallOf(rounds, 'cpu'),
      statements: perCallOf(rounds, 'statements'),
    };
  });
}

function perCallOf(rounds, quantity) {
  return sum(rounds.map(round => round[quantity])) / sum(rounds.map(({ calls }) => calls));
}

/** Calls until so many milliseconds are spent in calls. Answers in microseconds. */
export async function callFor({ prepare, run }, milliseconds) {
  let calls = 0;
  let elapsed = 0;
  let batch = SMALLEST_BATCH;
  let cpu = 0;
  const statementsBefore = countStatements();
  while (elapsed < milliseconds * 1_000) {
    // As between the requests of a server: timers and sockets get their turn, the library's poll among them.
    await new Promise(setImmediate);
    const inputs = prepare(batch);
    const cpuBefore = process.cpuUsage();
    const began = performance.now();
    for (const input of inputs) {
      const answer = run(input);
      if (answer instanceof Promise) await answer;
    }
    elapsed += (performance.now() - began) * 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    cpu += user + system;
    calls += inputs.length;
    batch = Math.min(MAX_BATCH, Math.max(SMALLEST_BATCH, Math.round((BATCH * 1_000 * calls) / elapsed)));
  }
  return { calls, elapsed, cpu, statements: countStatements() - statementsBefore };
}
