// npm run bench:report [-- version of Node]: writes the results of the last runs into docs/performance.md and README.md.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { comparisonOf, summaryOf, tableFrom, tableOf } from './support/table.mjs';
import { judge, TARGETS } from './targets.mjs';

process.chdir(new URL('../..', import.meta.url).pathname);
const RESULTS = 'test/benchmark/results';
const PAGE = 'docs/performance.md';

/** The parts in the order in which they were measured, by version of Node. */
const versions = new Map(
  readdirSync(RESULTS)
    .filter(name => /^node-\d+$/.test(name))
    .map(name => [name.slice('node-'.length), partsIn(`${RESULTS}/${name}`)]),
);
const main = process.argv[2] ?? process.versions.node.split('.', 1)[0];
const parts = versions.get(main);
if (!parts) {
  console.error(`There are no results of Node ${main}, but of ${[...versions.keys()].join(', ')}: npm run bench`);
  process.exit(1);
}
const results = parts.flatMap(part => part.results);

fill('targets', [summaryOf(results), runs(), ...otherVersions()].join('\n\n'));
fill('table', `${Object.values(parts[0].machine).join('; ')}\n\n${tableOf(results)}`);
const comparison = comparisonOf(results);
// A part of the comparison would drop rows of the README.
if (comparison.split('\n').length === 8) fillReadme(comparison);
else console.error('README.md is left as it is: it needs the parts verify, http and sessions');
spawnSync('npx', ['prettier', '--write', PAGE, 'README.md'], { stdio: 'inherit' });

function partsIn(folder) {
  return readdirSync(folder)
    .map(file => ({ part: file.replace('.json', ''), ...JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) }))
    .sort((a, b) => a.at - b.at);
}

/** What disturbed the runs, and how long they took. */
function runs() {
  const took = parts.map(({ part, others, seconds }) => {
    const share = others === undefined ? 'unknown' : `${Math.round(others * 100)} %`;
    return `\`${part}\` ${share} in ${seconds} s`;
  });
  return `Measured on ${parts[0].machine.node}. Of the processors other programs took: ${took.join(', ')}.`;
}

/** The ratios on every version of Node, for what was measured on more than one. */
function otherVersions() {
  if (versions.size < 2) return [];
  const all = [...versions].map(([version, its]) => ({ version, results: its.flatMap(part => part.results) }));
  const rows = TARGETS.map(target => ({ target, judged: all.map(one => judge(target, one.results)) }))
    .filter(({ judged }) => judged.filter(Boolean).length > 1)
    .map(({ target, judged }) => [
      [target.measure, target.contestant?.split(', ').at(-1)].filter(Boolean).join(', '),
      judged.find(Boolean).target,
      ...judged.map(judgement => judgement?.reached ?? ''),
    ]);
  return [tableFrom([['measure', 'target', ...all.map(({ version }) => `Node ${version}`)], ...rows])];
}

/** Replaces what stands between the page's comments `benchmark: name` and `benchmark: end`. */
function fill(name, text) {
  const page = readFileSync(PAGE, 'utf8');
  const section = new RegExp(`(<!-- benchmark: ${name} -->\n).*?(<!-- benchmark: end -->)`, 's');
  if (!section.test(page)) throw new Error(`${PAGE} has no section "benchmark: ${name}"`);
  writeFileSync(
    PAGE,
    page.replace(section, (_, begin, end) => `${begin}\n${text}\n\n${end}`),
  );
}

function fillReadme(table) {
  const unguarded = results.find(
    one => one.measure === 'guarded route, fastify' && one.contestant === 'limit: no guard',
  );
  const perSecond = Math.round(unguarded.value).toLocaleString('en');
  const readme = readFileSync('README.md', 'utf8')
    .replace(/\| measured .*?\n(?=\n)/s, () => `${table}\n`)
    .replace(/(Fastify route answers )[\d,]+/, (_, begin) => begin + perSecond);
  writeFileSync('README.md', readme);
}
