import { randomBytes } from 'node:crypto';
import { parseEnv } from 'node:util';
import { type SourceTree, write } from '../source/source-tree.js';

/** A variable of the environment. */
export interface Variable {
  readonly name: string;
  readonly comment: string;
  /** What `.env.example` shows. */
  readonly example: string;
  /** What `.env` gets where it is not there yet. Left out: the variable is for production alone. */
  readonly value?: () => string;
}

export const SESSION_SECRET: Variable = {
  name: 'SESSION_SECRET',
  comment: 'Seals the signing keys and the refresh tokens: openssl rand -base64 48',
  example: '',
  value: () => randomBytes(48).toString('base64'),
};

export const DATABASE_URL: Variable = {
  name: 'DATABASE_URL',
  comment: 'The PostgreSQL server',
  example: 'postgres://user:password@localhost:5432/database',
};

const ACCOUNT_VARIABLES: readonly Variable[] = [
  {
    // Vite, and so the tests of Nest 12, have a BASE_URL of their own.
    name: 'APP_URL',
    comment: 'Where users see the application: what links in mails begin with',
    example: 'https://example.com',
    value: () => 'http://localhost:3000',
  },
  {
    name: 'MAIL_FROM',
    comment: 'Who sends the mails',
    example: '"Example <no-reply@example.com>"',
    value: () => 'no-reply@localhost',
  },
  {
    name: 'SMTP_URL',
    comment: 'Without it mails lie in a folder, outside production',
    example: 'smtps://user:password@mail.example.com',
  },
];

/** @returns what the application reads, in the order in which it stands in the files */
export function variablesOf({ accounts, database }: { accounts: boolean; database: Variable | undefined }): Variable[] {
  return [SESSION_SECRET, ...(database ? [database] : []), ...(accounts ? ACCOUNT_VARIABLES : [])];
}

/**
 * Writes what is missing to `.env` and `.env.example`, and keeps `.env` out of the repository.
 *
 * @returns the paths of the files that have changed
 */
export function writeEnvironment(tree: SourceTree, variables: readonly Variable[]): string[] {
  const own = variables.filter(({ value }) => value !== undefined);
  return [
    addLines(tree, '.gitignore', ignores(tree) ? [] : ['.env']),
    addVariables(tree, '.env', own, variable => `${variable.name}=${variable.value!()}`),
    addVariables(tree, '.env.example', variables, ({ name, example, comment }) => `# ${comment}\n${name}=${example}`),
  ].flat();
}

function ignores(tree: SourceTree): boolean {
  const lines = readLines(tree, '.gitignore').map(line => line.trim());
  return ['.env', '/.env', '.env*', '*.env', '**/.env'].some(pattern => lines.includes(pattern));
}

function addVariables(
  tree: SourceTree,
  path: string,
  variables: readonly Variable[],
  line: (variable: Variable) => string,
): string[] {
  const present = parseEnv(readLines(tree, path).join('\n'));
  // An empty value in `.env` is as good as none; in the example that is how it should be.
  const isMissing = ({ name }: Variable) => (path === '.env' ? !present[name] : present[name] === undefined);
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
