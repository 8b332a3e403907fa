import type { SetUp } from './options.js';

// The modules that README's "Use it" and "Accounts" show, in the default style; `name` is how the file calls the module.

export function typeOrmModule(name: string, migrations: readonly string[]): string {
  return forRoot(name, [
    "type: 'postgres'",
    'url: process.env.DATABASE_URL',
    'autoLoadEntities: true',
    `migrations: [${migrations.join(', ')}]`,
    'migrationsRun: true',
  ]);
}

export function sessionModule(name: string, claims: string | undefined, transport: SetUp['transport']): string {
  const secret = 'secret: process.env.SESSION_SECRET';
  const others = [
    ...(claims === undefined ? [] : [`claims: ${claims}`]),
    ...(transport === 'both' ? [] : [`transport: '${transport}'`]),
  ];
  return others.length === 0 ? `${name}.forRoot({ ${secret} })` : forRoot(name, [secret, ...others]);
}

export function accountModule(name: string): string {
  return forRoot(name, [
    'baseUrl: process.env.APP_URL',
    'mail: { from: process.env.MAIL_FROM, smtp: process.env.SMTP_URL }',
  ]);
}

/** @returns the lines that a developer adds by hand where the schematic refuses to */
export function linesByHand({ accounts, transport }: Pick<SetUp, 'accounts' | 'transport'>): string {
  const migrations = ['...SESSION_MIGRATIONS', ...(accounts ? ['...ACCOUNT_MIGRATIONS'] : [])];
  const modules = [
    typeOrmModule('TypeOrmModule', migrations),
    sessionModule('SessionModule', accounts ? 'AccountClaims' : undefined, transport),
    ...(accounts ? [accountModule('AccountModule')] : []),
  ];
  const imports = accounts
    ? "\nimport { ACCOUNT_MIGRATIONS, AccountClaims, AccountModule } from 'nestjs-jwt-session/accounts';"
    : '';
  return `import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';${imports}

// In the imports of your module; a TypeOrmModule that is there already needs
// autoLoadEntities, and the migrations in its list.
${modules.map(module => `${module},`).join('\n')}`;
}

function forRoot(name: string, options: readonly string[]): string {
  return `${name}.forRoot({\n${options.map(option => `  ${option},\n`).join('')}})`;
}
