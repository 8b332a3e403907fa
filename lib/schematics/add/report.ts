import type { AddOptions } from './options.js';
import type { Outcome } from './set-up.js';

interface Done extends AddOptions, Outcome {
  /** Names of the packages that were added. */
  readonly packages: readonly string[];
  readonly packageManager: string;
  /** Paths of the environment's files that were written. */
  readonly files: readonly string[];
  /** Path of the file that has the secret; undefined if the application reads none, or one that is not known. */
  readonly secretFile: string | undefined;
  /** Path of the login controller that was written. */
  readonly stub: string | undefined;
}

/** @returns what was done, and what is left to do */
export function report(done: Done): string {
  const next = nextLines(done).map((line, index) => `  ${index + 1}. ${line}`);
  return ['nestjs-jwt-session:', ...doneLines(done).map(line => `  ${line}`), '', 'Next:', ...next].join('\n');
}

function doneLines({ accounts, configuration, database, packages, files, stub, migrationsByHand }: Done): string[] {
  const modules = [...(database ? ['TypeOrmModule'] : []), 'SessionModule', ...(accounts ? ['AccountModule'] : [])];
  const environment = configuration ? 'ConfigService reads its environment' : 'environment.ts reads .env for it';
  return [
    `the application imports ${list(modules)}; ${environment}`,
    ...(database ? [] : ['the data source has its entities and migrations']),
    ...(migrationsByHand ? [] : ['the migrations run when the application starts']),
    ...(stub === undefined ? [] : [`${stub} has a login, which refuses everybody until you write it`]),
    ...(packages.length > 0 ? [`package.json has ${list(packages)}`] : []),
    ...(files.length > 0 ? [`${list(files)}: the missing lines were added`] : []),
  ];
}

function nextLines(done: Done): string[] {
  const { accounts, database, packages, skipInstall, secretFile, stub, migrationsByHand } = done;
  const logIn =
    stub === undefined
      ? 'Where your users log in, call SessionService.logIn(userId, { exchange }): see README, "Use it".'
      : `Write authenticate() in ${stub}.`;
  const conditional: [applies: boolean, line: string][] = [
    [packages.length > 0 && skipInstall, `Install the packages: ${done.packageManager} install`],
    [
      secretFile === undefined,
      'Set the variables of .env.example where your ConfigModule reads them; SESSION_SECRET: openssl rand -base64 48',
    ],
    [
      database && secretFile !== undefined,
      `Write the address of your PostgreSQL into ${secretFile}. Tests that import AppModule need it as well.`,
    ],
    [migrationsByHand, 'Run the migrations as you run yours; if that takes a data source of its own, add them there.'],
    [!accounts, logIn],
    [accounts, 'Start it, and POST { email, password } to /account/register: see README, "Accounts".'],
    [true, 'In main.ts call app.enableShutdownHooks(): see docs/operating.md, "What happens at a shutdown?".'],
    [true, 'In production set the variables of .env.example. Migrate before several instances start at once.'],
  ];
  return conditional.filter(([applies]) => applies).map(([, line]) => line);
}

function list(names: readonly string[]): string {
  return new Intl.ListFormat('en').format(names);
}
