#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { withPostgres } from './database/with-postgres.command.js';
import { newApplication } from './new/new.command.js';

const USAGE = `Usage:
  nestjs-jwt-session new <name> [--accounts] [--platform express|fastify] [--skip-install]
      makes a Nest application with users, login, sessions and tests in the folder <name>
  nestjs-jwt-session with-postgres [--temporary] <command…>
      runs a command with DATABASE_URL of an embedded PostgreSQL, unless it is set`;

function parseNew(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      accounts: { type: 'boolean', default: false },
      platform: { type: 'string', default: 'express' },
      'skip-install': { type: 'boolean', default: false },
    },
  });
  const [name, ...others] = positionals;
  if (name === undefined || others.length > 0) throw new Error('Give one name.');
  const { accounts, platform, 'skip-install': skipInstall } = values;
  if (platform !== 'express' && platform !== 'fastify') throw new Error('--platform is express or fastify.');
  return { name, accounts, platform, skipInstall } as const;
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
