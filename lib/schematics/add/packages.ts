import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '../source/refusal.js';
import { type SourceTree, write } from '../source/source-tree.js';

type Versions = Record<string, string>;

/** The part of a package.json that is read and written here. */
export interface Manifest {
  name?: string;
  version?: string;
  description?: string;
  scripts?: Versions;
  dependencies?: Versions;
  devDependencies?: Versions;
  peerDependencies?: Versions;
}

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun';

const PATH = 'package.json';

/** Peers that a Nest application lacks, and that not every package manager installs by itself. */
const REQUIRED = ['@nestjs/jwt', '@nestjs/schedule', '@nestjs/typeorm', 'pg', 'typeorm'];

const FOR_ACCOUNTS = [
  '@node-rs/argon2',
  '@zxcvbn-ts/core',
  '@zxcvbn-ts/language-common',
  '@zxcvbn-ts/language-en',
  'nodemailer',
];

/** Packages that store an application's data by other means than TypeORM, and their names for readers. */
const OTHER_STORES: Readonly<Record<string, string>> = {
  '@prisma/client': 'Prisma',
  prisma: 'Prisma',
  'drizzle-orm': 'Drizzle',
  '@mikro-orm/core': 'MikroORM',
  '@mikro-orm/nestjs': 'MikroORM',
  '@nestjs/mongoose': 'Mongoose',
  mongoose: 'Mongoose',
  '@nestjs/sequelize': 'Sequelize',
  sequelize: 'Sequelize',
  kysely: 'Kysely',
  knex: 'Knex',
};

const LOCK_FILES: Readonly<Record<string, PackageManager>> = {
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
};

/** The package.json of nestjs-jwt-session, the one place that has the versions it works with. */
export const own = JSON.parse(readFileSync(join(__dirname, '..', '..', '..', PATH), 'utf8')) as Required<Manifest>;

/** @throws Refusal if there is no package.json, or it asks for a Nest or TypeORM that the package does not work with */
export function readManifest(tree: SourceTree): Manifest {
  if (!tree.exists(PATH)) throw new Refusal('There is no package.json here.');
  const manifest = JSON.parse(tree.readText(PATH)) as Manifest;
  const nest = versionOf(manifest, '@nestjs/core');
  if (nest === undefined) {
    throw new Refusal('package.json does not depend on @nestjs/core: this is no Nest application.');
  }
  if (![11, 12].includes(majorOf(nest))) throw new Refusal(`Nest ${nest} is neither 11 nor 12.`);
  const typeorm = versionOf(manifest, 'typeorm');
  if (typeorm !== undefined && majorOf(typeorm) !== 1 && !/^[~^]?0\.3(\.|$)/.test(typeorm)) {
    throw new Refusal(`TypeORM ${typeorm} is neither TypeORM 0.3 nor TypeORM 1: update it first.`);
  }
  return manifest;
}

/** @returns the packages that the application needs, in the versions that fit its Nest */
export function neededPackages(manifest: Manifest, accounts: boolean): Versions {
  const isNest11 = majorOf(versionOf(manifest, '@nestjs/core')!) === 11;
  const fitting = (name: string) => {
    const versions = own.peerDependencies[name]!.split(' || ');
    // Nest's packages of major version 12 are ES modules, which the Jest of Nest 11 cannot load.
    return name.startsWith('@nestjs/') && isNest11 ? versions[0]! : versions.at(-1)!;
  };
  const names = [...REQUIRED, ...(accounts ? FOR_ACCOUNTS : [])];
  return { [own.name]: `^${own.version}`, ...Object.fromEntries(names.map(name => [name, fitting(name)])) };
}

/** @returns those of the needed packages that package.json lacks */
export function missingPackages(manifest: Manifest, accounts: boolean): Versions {
  const needed = Object.entries(neededPackages(manifest, accounts));
  return Object.fromEntries(needed.filter(([name]) => versionOf(manifest, name) === undefined));
}

/** @returns the name of the package that stores the application's data in place of TypeORM, if there is one */
export function otherStore(manifest: Manifest): string | undefined {
  if (versionOf(manifest, 'typeorm') !== undefined) return undefined;
  const found = Object.keys(OTHER_STORES).find(name => versionOf(manifest, name) !== undefined);
  return found && OTHER_STORES[found];
}

/** @returns the package manager whose lock file there is, else npm */
export function packageManagerOf(tree: SourceTree): PackageManager {
  const lock = Object.keys(LOCK_FILES).find(file => tree.exists(file));
  return lock === undefined ? 'npm' : LOCK_FILES[lock]!;
}

/** @returns the command that adds packages to the application */
export function installCommand(tree: SourceTree, packages: Versions): string {
  const manager = packageManagerOf(tree);
  const names = Object.entries(packages).map(([name, version]) => `${name}@${majorOf(version)}`);
  return `${manager} ${manager === 'npm' ? 'install' : 'add'} ${names.join(' ')}`;
}

/**
 * Adds the packages that package.json lacks. Those that it has keep their versions.
 *
 * @returns the names of the added packages
 */
export function addPackages(tree: SourceTree, kind: 'dependencies' | 'devDependencies', packages: Versions): string[] {
  const manifest = JSON.parse(tree.readText(PATH)) as Manifest;
  const missing = Object.entries(packages).filter(([name]) => versionOf(manifest, name) === undefined);
  const sorted = Object.entries({ ...manifest[kind], ...Object.fromEntries(missing) }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  if (missing.length > 0) writeManifest(tree, { ...manifest, [kind]: Object.fromEntries(sorted) });
  return missing.map(([name]) => name);
}

/** Writes package.json with the indentation that it has. */
export function writeManifest(tree: SourceTree, manifest: Manifest): void {
  const indent = /^[ \t]+/m.exec(tree.readText(PATH))?.[0] ?? '  ';
  write(tree, PATH, `${JSON.stringify(manifest, null, indent)}\n`);
}

function versionOf({ dependencies, devDependencies }: Manifest, name: string): string | undefined {
  return dependencies?.[name] ?? devDependencies?.[name];
}

/** The first number of a range such as `^11.0.1`. */
function majorOf(range: string): number {
  return Number(/\d+/.exec(range)?.[0]);
}
