import { randomBytes } from 'node:crypto';
import { parseEnv } from 'node:util';
import { type SourceTree, write } from '../source/source-tree.js';

/** A variable of the environment. */
export interface Variable {
  readonly name: string;
  readonly comment: string;
  /** The value in `.env.example`. */
  readonly example: string;
  /** Makes the value for `.env`, if it has none. Left out for variables of production. */
  readonly value?: () => string;
}

export const SESSION_SECRET: Variable = {
  name: 'SESSION_SECRET',
  comment: 'Encrypts the signing keys and authenticates refresh tokens: openssl rand -base64 48',
  example: '',
  value: () => randomBytes(48).toString('base64'),
};

export const DATABASE_URL: Variable = {
  name: 'DATABASE_URL',
  comment: 'The PostgreSQL server',
  example: 'postgres://user:password@localhost:5432/database',
};

/** Read by the `main.ts` of new applications. */
export const TRUSTED_PROXIES: Variable = {
  name: 'TRUSTED_PROXIES',
  comment: 'The addresses of your reverse proxies, with commas between them, such as 10.0.0.0/8; empty without a proxy',
  example: '',
};

const ACCOUNT_VARIABLES: readonly Variable[] = [
  {
    // Not BASE_URL, which Vite sets in the tests of Nest 12.
    name: 'APP_URL',
    comment: 'The address at which users open the application; links in mails begin with it',
    example: 'https://example.com',
    value: () => 'http://localhost:3000',
  },
  {
    name: 'MAIL_FROM',
    comment: 'The sender of the mails',
    example: '"Example <no-reply@example.com>"',
    value: () => 'no-reply@localhost',
  },
  {
    name: 'SMTP_URL',
    comment: 'Without it mails are written to a folder, except in production',
    example: 'smtps://user:password@mail.example.com',
  },
];

/** @returns the variables that the application reads, in the order of the files */
export function variablesOf({ accounts, database }: { accounts: boolean; database: Variable | undefined }): Variable[] {
  return [SESSION_SECRET, ...(database ? [database] : []), ...(accounts ? ACCOUNT_VARIABLES : [])];
}

/** @returns the variable's lines in `.env.example` */
export function exampleLines({ name, example, comment }: Variable): string {
  return `# ${comment}\n${name}=${example}`;
}

/**
 * Adds missing variables to the environment's file and to `.env.example`, and keeps the file out of the repository.
 *
 * @param file the file that the application reads; undefined if it reads none, or one that is not known
 * @returns the paths of the files that have changed
 */
export function writeEnvironment(tree: SourceTree, variables: readonly Variable[], file: string | undefined): string[] {
  const own = variables.filter(({ value }) => value !== undefined);
  return [
    ...(file === undefined ? [] : [addLines(tree, '.gitignore', ignores(tree, file) ? [] : [file])]),
    ...(file === undefined ? [] : [addVariables(tree, file, own, one => `${one.name}=${one.value!()}`)]),
    addVariables(tree, '.env.example', variables, exampleLines),
  ].flat();
}

function ignores(tree: SourceTree, file: string): boolean {
  const lines = readLines(tree, '.gitignore').map(line => line.trim());
  const patterns = [file, `/${file}`, `**/${file}`, '.env*', ...(file.endsWith('.env') ? ['*.env'] : ['.env.*'])];
  return patterns.some(pattern => lines.includes(pattern));
}

function addVariables(
  tree: SourceTree,
  path: string,
  variables: readonly Variable[],
  line: (variable: Variable) => string,
): string[] {
  const present = parseEnv(readLines(tree, path).join('\n'));
  // An empty value counts as missing, except in the example.
  const isMissing = ({ name }: Variable) => (path === '.env.example' ? present[name] === undefined : !present[name]);
  return addLines(tree, path, variables.filter(isMissing).map(line));
}

function addLines(tree: SourceTree, path: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const text = readLines(tree, path).join('\n');
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  write(tree, path, `${text}${separator}${lines.join('\n')}\n`);
  return [path];
}

function readLines(tree: SourceTree, path: string): string[] {
  return tree.exists(path) ? tree.readText(path).split('\n') : [];
}
