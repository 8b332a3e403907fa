// node .ci/five.mjs [--times 5] [--busy] [folder …]: runs each folder of test several times, and names what fails in any
// of the runs. With --busy a process beside it keeps one processor busy.
import { fork, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUSY = 'busy';
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  '-i',
];

if (process.argv[2] === BUSY) {
  process.on('disconnect', () => process.exit());
  setInterval(() => {
    for (const end = performance.now() + 100; performance.now() < end;);
  }, 1);
} else {
  await runAll();
}

async function runAll() {
  const { values, positionals } = parseArgs({
    options: { times: { type: 'string', default: '5' }, busy: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const all = readdirSync(join(ROOT, 'test')).filter(name => existsSync(join(ROOT, 'test', name, 'all.ts')));
  const folders = positionals.length > 0 ? positionals : all;
  const busy = values.busy ? fork(fileURLToPath(import.meta.url), [BUSY]) : undefined;
  const results = mkdtempSync(join(tmpdir(), 'five-'));
  const failures = new Map();
  try {
    for (let time = 1; time <= Number(values.times); time++) {
      for (const folder of folders) {
        const names = await run(folder, join(results, 'result.json'));
        console.log(`${time}. ${folder}: ${names.length === 0 ? 'passes' : `${names.length} fail`}`);
        for (const name of names) failures.set(name, (failures.get(name) ?? 0) + 1);
      }
    }
  } finally {
    busy?.kill();
    rmSync(results, { recursive: true, force: true });
  }
  for (const [name, count] of failures) console.log(`failed ${count} times: ${name}`);
  process.exitCode = failures.size === 0 ? 0 : 1;
}

/** @returns {Promise<string[]>} the names of the tests that fail */
async function run(folder, file) {
  rmSync(file, { force: true });
  const child = spawn(process.execPath, [...JEST, '--json', `--outputFile=${file}`, '--', `test/${folder}`], {
    cwd: ROOT,
    stdio: 'ignore',
  });
  await new Promise(resolve => child.on('close', resolve));
  if (!existsSync(file)) return [`${folder}: Jest has written no result`];
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  return testResults.flatMap(({ status, message, assertionResults }) => {
    const failed = assertionResults.filter(each => each.status === 'failed');
    for (const { fullName, failureMessages } of failed) console.log(`${fullName}\n${failureMessages.join('\n')}`);
    const names = failed.map(({ fullName }) => `${folder}: ${fullName}`);
    return status === 'failed' && names.length === 0 ? [`${folder}: ${message.split('\n', 3).join(' ')}`] : names;
  });
}
