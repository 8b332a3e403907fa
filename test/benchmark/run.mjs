// npm run bench [-- part …]: measures, prints a table, and writes the results as JSON to test/benchmark/results, by version of
// Node. `npm run bench:report` writes them into the documentation.
import { fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { answersOf } from './support/answers.mjs';
import { describeMachine } from './support/machine.mjs';
import { watchOthers } from './support/others.mjs';

/** Above it other programs had a part in the results. */
const MAX_SHARE_OF_OTHERS = 0.05;
const PARTS = [
  'verify',
  'http',
  'sessions',
  'growth',
  'disk',
  'memory',
  'revocation',
  'overload',
  'streams',
  'incident',
  'plan',
  'announced',
];

const asked = process.argv.slice(2);
const unknown = asked.filter(part => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: write one or more of ${PARTS.join(', ')}, or none for all.`);
  process.exit(1);
}

const folder = fileURLToPath(new URL('.', import.meta.url));
if (!existsSync(`${folder}/node_modules`)) {
  const { status } = spawnSync('npm', ['ci'], { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(1);
}

const saveTo = `${folder}/results/node-${process.versions.node.split('.', 1)[0]}`;
mkdirSync(saveTo, { recursive: true });
const machine = await describeMachine();
const results = [];
const shares = [];
const began = performance.now();
for (const part of asked.length > 0 ? asked : PARTS) {
  console.error(`${part}:`);
  const partBegan = performance.now();
  const stop = watchOthers();
  const rows = await measureApart(part);
  const others = stop();
  const seconds = Math.round((performance.now() - partBegan) / 1_000);
  const saved = { machine, at: Date.now(), others, seconds, results: rows };
  writeFileSync(`${saveTo}/${part}.json`, `${JSON.stringify(saved, null, 2)}\n`);
  results.push(...rows);
  shares.push({ part, others });
}
const { comparisonOf, summaryOf, tableOf } = await import('./support/table.mjs');
console.log(
  `\n${Object.values(machine).join('; ')}\n\n${tableOf(results)}\n\n${summaryOf(results)}\n\n${comparisonOf(results)}\n`,
);
for (const { part, others } of shares.filter(each => each.others > MAX_SHARE_OF_OTHERS)) {
  console.log(
    `Disturbed: other programs took ${Math.round(others * 100)} % of the processors during ${part}. Measure again when the machine is idle.`,
  );
}
console.error(`${Math.round((performance.now() - began) / 1_000)} s`);

/** Each part in a process of its own: what the compiler has learned from one must not speed up or slow down another. */
function measureApart(part) {
  return answersOf(fork(new URL('measure.mjs', import.meta.url), [part]), `part ${part}`)();
}
