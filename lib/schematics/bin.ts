#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { withPostgres } from './database/with-postgres.command.js';
import { newApplication } from './new/new.command.js';

const USAGE = `Usage:
  nestjs-jwt-session new <name> [options]
      makes a Nest application with users, login, sessions and tests in the folder <name>
      --accounts                         accounts with e-mail and password instead of users of its own
      --page                             a page to log in and to see the devices
      --platform express|fastify         express
      --package-manager npm|pnpm|yarn    npm
      --skip-install                     installs no packages
      --skip-git                         makes no git repository
  nestjs-jwt-session with-postgres [--temporary] <command…>
      runs a command with DATABASE_URL of an embedded PostgreSQL, unless it is set`;

function parseNew(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      accounts: { type: 'boolean', default: false },
      platform: { type: 'string', default: 'express' },
      page: { type: 'boolean', default: false },
      'package-manager': { type: 'string', default: 'npm' },
      'skip-install': { type: 'boolean', default: false },
      'skip-git': { type: 'boolean', default: false },
    },
  });
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0) throw new Error('Give one name.');
  const { accounts, page, platform, 'package-manager': packageManager } = values;
  if (platform !== 'express' && platform !== 'fastify') throw new Error('--platform is express or fastify.');
  if (packageManager !== 'npm' && packageManager !== 'pnpm' && packageManager !== 'yarn') {
    throw new Error('--package-manager is npm, pnpm or yarn.');
  }
  const skipped = { skipInstall: values['skip-install'], skipGit: values['skip-git'] };
  return { name, accounts, page, platform, packageManager, ...skipped } as const;
}

async function main([verb, ...args]: string[]): Promise<number> {
  if (verb === 'new') return newApplication(parseNew(args));
  if (verb === 'with-postgres') {
    const temporary = args[0] === '--temporary';
    const command = temporary ? args.slice(1) : args;
    if (command.length > 0) return withPostgres(command, { temporary });
  }
  const isHelp = verb === '--help' || verb === '-h';
  (isHelp ? console.log : console.error)(USAGE);
  return isHelp ? 0 : 2;
}

main(process.argv.slice(2)).then(
  status => (process.exitCode = status),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
