// Compiles the samples, unless they are newer than their sources and the built package.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));

const STAMP = 'sample/accounts/dist/.built';

if (!isUpToDate()) {
  for (const name of ['app', 'verifier', 'accounts']) {
    const compiler = join('node_modules', 'typescript', 'bin', 'tsc');
    const { status } = spawnSync(process.execPath, [compiler, '-p', join('sample', name)], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
  writeFileSync(STAMP, '');
}

/** A folder's time changes when a file in it is removed. */
function isUpToDate() {
  if (!existsSync(STAMP)) return false;
  const sources = readdirSync('sample', { recursive: true })
    .filter(file => !/(^|\/)(dist|node_modules)(\/|$)/.test(file) && !/\.(html|css|js|svg|png|mjs)$/.test(file))
    .map(file => join('sample', file));
  const built = statSync(STAMP).mtimeMs;
  return [...sources, 'tsconfig.json', 'dist/THIRD-PARTY-NOTICES.txt'].every(file => statSync(file).mtimeMs < built);
}
