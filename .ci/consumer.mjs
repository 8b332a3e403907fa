// Packs the package and runs it in a scratch application that knows nothing of this repository.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '../sample/app/dist/embedded-postgres.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'jwt-session-consumer-'));
const database = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-consumer-database-'));
const run = (command, parameters, options = {}) =>
  execFileSync(command, parameters, { cwd: scratch, stdio: 'inherit', ...options });

let server;
try {
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', scratch], { cwd: root });
  cpSync(join(root, 'test', 'consumer'), scratch, { recursive: true });
  const [tarball] = readdirSync(scratch).filter(name => name.endsWith('.tgz'));
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `./${tarball}`]);
  run('npx', ['tsc']);
  server = await startEmbeddedPostgres(database);
  const environment = {
    ...process.env,
    DATABASE_URL: server.url,
    SESSION_SECRET: 'consumer-secret-of-more-than-32-bytes',
  };
  run('node', ['dist/main.js'], { env: { ...environment, NODE_ENV: 'production' } });
} finally {
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
  rmSync(database, { recursive: true, force: true });
}
