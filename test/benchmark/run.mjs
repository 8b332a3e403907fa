// npm run bench [-- part …]: measures, prints tables, and writes them as JSON to test/benchmark/results.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PARTS = ['revocation'];

const asked = process.argv.slice(2);
const unknown = asked.filter(part => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: write one or more of ${PARTS.join(', ')}, or none for all.`);
  process.exit(1);
}

const folder = join(dirname(fileURLToPath(import.meta.url)), 'results');
mkdirSync(folder, { recursive: true });
const machine = `${cpus().length} × ${cpus()[0].model}, Node ${process.versions.node}`;
for (const part of asked.length > 0 ? asked : PARTS) {
  console.log(`\n${part}, on ${machine}`);
  const { measure } = await import(`./${part}.mjs`);
  const rows = await measure();
  console.table(rows);
  writeFileSync(join(folder, `${part}.json`), `${JSON.stringify({ machine, rows }, null, 2)}\n`);
}
