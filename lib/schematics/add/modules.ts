import type { Configuration } from '../source/config-module.js';
import { ACCOUNTS, CONFIG, type Import, PACKAGE, type SetUp, TYPEORM } from './options.js';

/** Imports a name into the file, and returns how the file calls it. */
export type Importer = (imported: Import) => string;

/** What decides how the modules are written, beside the file's names. */
export interface Choices extends Pick<SetUp, 'accounts' | 'transport'> {
  /** Undefined if the modules read `process.env`. */
  readonly configuration: Configuration | undefined;
}

// The modules as README's "Use it" and "Accounts" show them, as code in the default style.

export function typeOrmModule(choices: Choices, importer: Importer, migrations: readonly string[]): string {
  const options = [
    "type: 'postgres'",
    `url: ${variable(choices, 'DATABASE_URL')}`,
    'connectTimeoutMS: 5_000',
    'extra: { query_timeout: 10_000 }',
    'autoLoadEntities: true',
    `migrations: [${migrations.join(', ')}]`,
    'migrationsRun: true',
  ];
  return moduleCall(choices, importer, { name: 'TypeOrmModule', from: TYPEORM }, options);
}

export function sessionModule(choices: Choices, importer: Importer): string {
  const options = [
    `secret: ${variable(choices, 'SESSION_SECRET')}`,
    ...(choices.accounts ? [`claims: ${importer({ name: 'AccountClaims', from: ACCOUNTS })}`] : []),
    ...(choices.transport === 'both' ? [] : [`transport: '${choices.transport}'`]),
  ];
  return moduleCall(choices, importer, { name: 'SessionModule', from: PACKAGE }, options);
}

export function accountModule(choices: Choices, importer: Importer): string {
  const smtp = choices.configuration ? "config.get<string>('SMTP_URL')" : 'process.env.SMTP_URL';
  const options = [
    `baseUrl: ${variable(choices, 'APP_URL')}`,
    `mail: { from: ${variable(choices, 'MAIL_FROM')}, smtp: ${smtp} }`,
  ];
  return moduleCall(choices, importer, { name: 'AccountModule', from: ACCOUNTS }, options);
}

function variable({ configuration }: Choices, name: string): string {
  return configuration ? `config.getOrThrow<string>('${name}')` : `process.env.${name}`;
}

/** `forRoot` with the options; `forRootAsync` if the application has a ConfigService. */
function moduleCall(
  { configuration }: Choices,
  importer: Importer,
  imported: Import,
  options: readonly string[],
): string {
  const name = importer(imported);
  if (configuration === undefined) {
    const fits = options.length === 1;
    return fits ? `${name}.forRoot({ ${options[0]} })` : `${name}.forRoot(${object(options)})`;
  }
  const service = importer({ name: 'ConfigService', from: CONFIG });
  const module = configuration.isGlobal ? [] : [`imports: [${importer({ name: 'ConfigModule', from: CONFIG })}]`];
  const factory = `useFactory: (config: ${service}) => (${object(options)})`;
  return `${name}.forRootAsync(${object([...module, `inject: [${service}]`, factory])})`;
}

function object(properties: readonly string[]): string {
  const lines = properties.map(property => `  ${property.replaceAll('\n', '\n  ')},\n`);
  return `{\n${lines.join('')}}`;
}
