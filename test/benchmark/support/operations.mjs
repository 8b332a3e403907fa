import { countStatements } from './statements.mjs';
import { median, quantile, shuffled, spread, sum } from './statistics.mjs';

const WARM_UP = 2_500;
const ROUNDS = 5;
const ROUND = 300;

/**
 * Something to do over and over that waits for a database.
 *
 * @typedef {object} Operation
 * @property {string} name of the contestant
 * @property {(count: number) => Promise<any[]> | any[]} [prepare] makes inputs, outside the time that is measured
 * @property {number} [most] inputs in a round, where they take long to make
 * @property {(input: any) => Promise<unknown>} [run]
 * @property {(callers: number, count: number) => ReturnType<typeof perform>} [perform] where it is done in another process
 */

/**
 * Times operations with so many callers at the same time. All contestants warm up, then take turns in rounds, in
 * another order each time.
 *
 * @param {string} measure
 * @param {number} callers
 * @param {Operation[]} operations
 * @param {{ rounds?: number, warmUp?: number, round?: number }} [lengths] of one round and the warm-up in milliseconds
 * @returns {Promise<import('./result.mjs').Result[]>}
 */
export async function timeOperations(measure, callers, operations, lengths = {}) {
  console.error(`  ${measure} …`);
  const { rounds = ROUNDS, warmUp = WARM_UP, round = ROUND } = lengths;
  const taken = new Map(operations.map(operation => [operation, []]));
  const counts = new Map();
  for (const operation of operations) counts.set(operation, await warm(operation, callers, warmUp, round));
  for (let turn = 0; turn < rounds; turn++) {
    for (const operation of shuffled(operations)) {
      taken.get(operation).push(await act(operation, callers, counts.get(operation)));
    }
  }
  return operations.map(operation => resultOf(measure, operation.name, taken.get(operation)));
}

/** @returns {Promise<number>} how many operations fill a round */
async function warm(operation, callers, warmUp, round) {
  const end = performance.now() + warmUp;
  let count = callers;
  do {
    const { count: done, elapsed } = await act(operation, callers, count);
    count = Math.min(operation.most ?? Infinity, Math.max(callers, Math.ceil((done / elapsed) * round * 1_000)));
  } while (performance.now() < end);
  return count;
}

function act(operation, callers, count) {
  return operation.perform?.(callers, count) ?? perform(operation, callers, count);
}

/** One round. Times are in microseconds. */
export async function perform({ prepare, run }, callers, count) {
  const inputs = await prepare(count);
  const latencies = [];
  let next = 0;
  const caller = async () => {
    while (next < inputs.length) {
      const input = inputs[next++];
      const began = performance.now();
      await run(input);
      latencies.push((performance.now() - began) * 1_000);
    }
  };
  const statementsBefore = countStatements();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const elapsed = (performance.now() - began) * 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const statements = countStatements() - statementsBefore;
  return { count: inputs.length, elapsed, latencies, cpu: user + system, statements };
}

function resultOf(measure, contestant, rounds) {
  const perSecond = rounds.map(({ count, elapsed }) => (count / elapsed) * 1_000_000);
  const count = sum(rounds.map(round => round.count));
  const latencies = rounds.flatMap(round => round.latencies);
  return {
    measure,
    contestant,
    unit: '/s',
    value: median(perSecond),
    spread: spread(perSecond),
    rounds: perSecond,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    cpu: sum(rounds.map(({ cpu }) => cpu)) / count,
    statements: sum(rounds.map(({ statements }) => statements)) / count,
  };
}
