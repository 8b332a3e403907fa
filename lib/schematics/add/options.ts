export const PACKAGE = 'nestjs-jwt-session';
export const ACCOUNTS = `${PACKAGE}/accounts`;
export const TYPEORM = '@nestjs/typeorm';
export const CONFIG = '@nestjs/config';

/** The options of the schematic; `schema.json` has their defaults. */
export interface AddOptions {
  readonly transport: 'cookie' | 'bearer' | 'both';
  readonly accounts: boolean;
  readonly skipInstall: boolean;
  readonly sourceRoot: string;
}

/** What is imported by its name: from a package, or from `./` below the sources, without an extension. */
export interface Import {
  readonly name: string;
  readonly from: string;
}

/** What an application gets. */
export interface SetUp extends Pick<AddOptions, 'transport' | 'accounts' | 'sourceRoot'> {
  /** Modules beside ours. */
  readonly imports: readonly Import[];
  readonly controllers: readonly Import[];
  readonly providers: readonly Import[];
  /** Sources, by their paths below the others. */
  readonly files: Readonly<Record<string, string>>;
  /** Single ones, and lists of them, which are spread. */
  readonly migrations: readonly (Import & { readonly spread?: boolean })[];
}

/** @returns the lists of migrations that the modules bring */
export function migrationsOf(accounts: boolean): SetUp['migrations'] {
  const sessions = { name: 'SESSION_MIGRATIONS', from: PACKAGE, spread: true };
  return accounts ? [sessions, { name: 'ACCOUNT_MIGRATIONS', from: ACCOUNTS, spread: true }] : [sessions];
}
