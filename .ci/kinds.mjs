// Follows README and docs in a fresh folder per kind of application, as a newcomer does, with the packed package in place
// of its name on npm. Writes a transcript of each: what was typed, and what was answered.
//
//   node .ci/kinds.mjs [--only name,name] [--transcripts folder]
//
// The packages come from the registry. A kind takes one to three minutes.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findBinaries } from '../dist/schematics/database/binaries.js';
import { startTemporaryPostgres } from '../dist/schematics/database/temporary-postgres.js';
import { KINDS } from './kinds/kinds.mjs';
import { Newcomer } from './kinds/newcomer.mjs';

const root = dirname(import.meta.dirname);
const { values: options } = parseArgs({ options: { only: { type: 'string' }, transcripts: { type: 'string' } } });
const scratch = mkdtempSync(join(process.getuid?.() === 0 ? '/var/tmp' : tmpdir(), 'jwt-session-kinds-'));
const transcripts = resolve(options.transcripts ?? join(scratch, 'transcripts'));
mkdirSync(transcripts, { recursive: true });

const database = await startTemporaryPostgres(findBinaries(root));
const hidden = [
  [scratch, '~'],
  [new URL(database.url).password, 'password'],
];

function newcomer(folder, name) {
  const transcript = join(transcripts, `${name}.txt`);
  writeFileSync(transcript, '');
  return new Newcomer(folder, transcript, hidden);
}

async function createDatabase(name) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(`CREATE DATABASE "${name}"`);
  await client.end();
  return Object.assign(new URL(database.url), { pathname: name }).href;
}

/** A copy of an application that the Nest CLI has made, once for all kinds that begin with it. */
function nestApplication(kind, nest, type) {
  const name = `nest-${nest}-${type}`;
  const original = join(scratch, 'originals', name);
  if (!existsSync(original)) {
    const maker = newcomer(scratch, `new-${name}`);
    const isDefault = nest === 11 ? type === 'cjs' : type === 'esm';
    const cli = `npx --yes --package @nestjs/cli@${nest} --`;
    mkdirSync(dirname(original), { recursive: true });
    if (isDefault) maker.in('originals').type(`${cli} nest new ${name} --skip-git --package-manager npm`);
    else {
      // The module system is asked for at a terminal only.
      const schematics = `${cli} schematics --no-interactive @nestjs/schematics:application`;
      maker.in('originals').type(`${schematics} --name=${name} --language=ts --type=${type}`);
      maker.in(`originals/${name}`).type('npm install');
    }
  }
  const folder = join(scratch, kind);
  cpSync(original, folder, { recursive: true, verbatimSymlinks: true });
  return folder;
}

const failures = [];
try {
  const packer = newcomer(root, 'pack');
  packer.type(`npm pack --ignore-scripts --pack-destination ${scratch}`);
  const tarball = join(
    scratch,
    readdirSync(scratch).find(name => name.endsWith('.tgz')),
  );
  const wanted = options.only?.split(',') ?? Object.keys(KINDS);
  const unknown = wanted.filter(name => !KINDS[name]);
  if (unknown.length > 0) throw new Error(`There is no ${unknown}, but ${Object.keys(KINDS).join(', ')}`);
  for (const name of wanted) {
    const start = performance.now();
    const { nest = 12, type = 'esm', follow } = KINDS[name];
    let outcome = 'works';
    try {
      const folder = type === 'none' ? join(scratch, name) : nestApplication(name, nest, type);
      mkdirSync(folder, { recursive: true });
      await follow(newcomer(folder, name), { tarball, databaseUrl: await createDatabase(name), scratch });
    } catch (error) {
      failures.push(name);
      outcome = `fails: ${error.stack}`;
    }
    console.log(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${name} ${outcome}`);
    rmSync(join(scratch, name), { recursive: true, force: true });
  }
} finally {
  await database.stop();
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = failures.length === 0 ? 0 : 1;
