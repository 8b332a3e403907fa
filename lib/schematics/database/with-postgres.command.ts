import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { findBinaries, identity } from './binaries.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { openFolder, startTemporaryPostgres } from './temporary-postgres.js';

/**
 * Runs a command with `DATABASE_URL` of an embedded PostgreSQL, unless the variable is set or `.env` has it.
 *
 * @returns the command's exit status
 */
export async function withPostgres(command: readonly string[], { temporary }: { temporary: boolean }): Promise<number> {
  if (databaseUrl() !== undefined) return run(command, process.env);
  if (process.env.NODE_ENV === 'production') {
    throw new Error('DATABASE_URL is not set: in production there is no embedded PostgreSQL');
  }
  const binaries = findBinaries(process.cwd());
  const server = temporary
    ? await startTemporaryPostgres(binaries)
    : await startEmbeddedPostgres(binaries, dataFolder());
  try {
    return await run(command, { ...process.env, DATABASE_URL: server.url });
  } finally {
    await server.stop();
  }
}

function databaseUrl(): string | undefined {
  const file = existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {};
  return (process.env.DATABASE_URL ?? file.DATABASE_URL) || undefined;
}

/** @returns the folder of this application's data; outside root's folders, which the server cannot read */
function dataFolder(): string {
  const application = resolve('.');
  if (identity.uid === undefined) return join(application, '.data');
  const hash = createHash('sha256').update(application).digest('hex').slice(0, 12);
  return join(openFolder(), `${basename(application)}-${hash}`);
}

const ignore = (): void => {};

async function run([command, ...parameters]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Windows finds npm's commands through its shell only.
  const child = spawn(command!, parameters, { env, stdio: 'inherit', shell: process.platform === 'win32' });
  // The terminal sends Ctrl+C to the command as well. The server is stopped after the command has ended.
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', ignore).on('SIGTERM', forward).on('SIGHUP', forward);
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? 1;
}
