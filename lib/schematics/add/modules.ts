import { type Code, type CodeList, printLines } from '../source/code.js';
import type { SetUp } from './options.js';

// What README's "Use it" and "Accounts" show; `name` is how the file calls the module.

type Quote = { quoted(value: string): string };

export function typeOrmModule(source: Quote, name: string, migrations: readonly string[]): CodeList {
  return forRoot(name, [
    `type: ${source.quoted('postgres')}`,
    'url: process.env.DATABASE_URL',
    'autoLoadEntities: true',
    { open: 'migrations: [', items: migrations, close: ']' },
    'migrationsRun: true',
  ]);
}

export function sessionModule(
  source: Quote,
  name: string,
  { claims, transport }: { claims: string | undefined; transport: SetUp['transport'] },
): CodeList {
  return forRoot(name, [
    'secret: process.env.SESSION_SECRET',
    ...(claims === undefined ? [] : [`claims: ${claims}`]),
    ...(transport === 'both' ? [] : [`transport: ${source.quoted(transport)}`]),
  ]);
}

export function accountModule(name: string): CodeList {
  const mail: Code = {
    open: 'mail: {',
    items: ['from: process.env.MAIL_FROM', 'smtp: process.env.SMTP_URL'],
    close: '}',
  };
  return forRoot(name, ['baseUrl: process.env.APP_URL', mail]);
}

/** @returns what a developer adds by hand where this could not be done */
export function linesByHand({ accounts, transport }: Pick<SetUp, 'accounts' | 'transport'>): string {
  const source: Quote = { quoted: value => `'${value}'` };
  const migrations = ['...SESSION_MIGRATIONS', ...(accounts ? ['...ACCOUNT_MIGRATIONS'] : [])];
  const claims = accounts ? 'AccountClaims' : undefined;
  const layout = { unit: '  ', newline: '\n' };
  const modules = [
    typeOrmModule(source, 'TypeOrmModule', migrations),
    sessionModule(source, 'SessionModule', { claims, transport }),
    ...(accounts ? [accountModule('AccountModule')] : []),
  ];
  const imports = accounts
    ? "\nimport { ACCOUNT_MIGRATIONS, AccountClaims, AccountModule } from 'nestjs-jwt-session/accounts';"
    : '';
  return `import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';${imports}

// In the imports of your module; a TypeOrmModule that is there already needs
// autoLoadEntities, and the migrations in its list.
${modules.map(module => `${printLines(module, '', layout)},`).join('\n')}`;
}

function forRoot(name: string, items: readonly Code[]): CodeList {
  return { open: `${name}.forRoot({`, items, close: '})' };
}
