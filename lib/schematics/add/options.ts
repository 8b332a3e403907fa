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
  /** Adds TypeORM to an application that stores its data by another package. */
  readonly yes: boolean;
}

/** A name and where it is imported from: a package, or a path that starts with `./` at the sources' root. */
export interface Import {
  readonly name: string;
  readonly from: string;
}

/** What the application gets. */
export interface SetUp extends Pick<AddOptions, 'transport' | 'accounts' | 'sourceRoot'> {
  /** Modules beside those of the package. */
  readonly imports: readonly Import[];
  readonly controllers: readonly Import[];
  readonly providers: readonly Import[];
  /** Sources, by their paths below the sources' root. */
  readonly files: Readonly<Record<string, string>>;
  /** Migrations beside those of the package. */
  readonly migrations: readonly Import[];
}

/** @returns the lists of entities or migrations that the modules bring */
export function listsOf(kind: 'ENTITIES' | 'MIGRATIONS', accounts: boolean): Import[] {
  const sessions = { name: `SESSION_${kind}`, from: PACKAGE };
  return accounts ? [sessions, { name: `ACCOUNT_${kind}`, from: ACCOUNTS }] : [sessions];
}
