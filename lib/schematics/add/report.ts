import type { AddOptions } from './options.js';
import type { Outcome } from './set-up.js';

interface Done extends AddOptions, Outcome {
  /** Names of the packages that were added. */
  readonly packages: readonly string[];
  /** Paths of the files of the environment that were written. */
  readonly files: readonly string[];
  /** Path of the login controller that was made. */
  readonly stub: string | undefined;
}

/** @returns what was done, and what is left to do */
export function report(done: Done): string {
  if (done.present && done.packages.length + done.files.length === 0) {
    return 'nestjs-jwt-session is set up already: there was nothing to do.';
  }
  return [
    'nestjs-jwt-session:',
    ...doneLines(done).map(line => `  ${line}`),
    '',
    'Next:',
    ...numbered(nextLines(done)),
  ].join('\n');
}

function doneLines({ present, accounts, database, packages, files, stub, migrationsByHand }: Done): string[] {
  const modules = [...(database ? ['TypeOrmModule'] : []), 'SessionModule', ...(accounts ? ['AccountModule'] : [])];
  return [
    ...(present ? [] : [`the application imports ${list(modules)}; environment.ts reads .env for it`]),
    ...(present || database ? [] : ['the data source knows its entities and migrations']),
    ...(present || migrationsByHand ? [] : ['the migrations run when the application starts']),
    ...(stub === undefined ? [] : [`${stub} has a login, which refuses everybody so far`]),
    ...(packages.length > 0 ? [`package.json has ${list(packages)}`] : []),
    ...(files.length > 0 ? [`${list(files)} ${files.length > 1 ? 'have' : 'has'} what was missing`] : []),
  ];
}

function nextLines({ present, accounts, database, packages, skipInstall, stub, migrationsByHand }: Done): string[] {
  const logIn = stub
    ? `Write authenticate() in ${stub}.`
    : 'Where your users log in, call SessionService.logIn(userId, { exchange }): see README, "Use it".';
  return [
    ...(packages.length > 0 && skipInstall ? ['Install the packages: npm install'] : []),
    ...(database
      ? ['Write the address of your PostgreSQL into .env (DATABASE_URL). Tests that import AppModule need it, too.']
      : []),
    ...(migrationsByHand
      ? ['Run the migrations as you run yours; a data source of its own for that needs SESSION_MIGRATIONS, too.']
      : []),
    ...(present || accounts ? [] : [logIn]),
    ...(accounts && !present
      ? ['Start it, and POST { email, password } to /account/register: see README, "Accounts".']
      : []),
    'In production set the variables of .env.example; where several instances start at once, run the migrations before.',
  ];
}

function list(names: readonly string[]): string {
  return new Intl.ListFormat('en').format(names);
}

function numbered(lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${index + 1}. ${line}`);
}
