import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Refusal } from './refusal.js';

export type TypeScript = typeof import('typescript');
export type MetadataManager = typeof import('@nestjs/schematics').MetadataManager;
export type Prettier = typeof import('prettier');

/** The application's own tools, which read, change and format its sources. The package brings none of them. */
export interface Tools {
  readonly typescript: TypeScript;
  readonly MetadataManager: MetadataManager;
  /** Undefined where the application does not use prettier. */
  readonly prettier: Prettier | undefined;
}

/**
 * Loads the tools of the application, of its Nest CLI, or of the CLI that runs this.
 *
 * @param folder the application's folder
 * @throws Refusal where TypeScript's API (TypeScript 7 has none) or `@nestjs/schematics` is missing
 */
export async function loadTools(folder: string): Promise<Tools> {
  const application = join(folder, 'package.json');
  const cli = resolveFrom(application, '@nestjs/cli/package.json');
  const starts = [application, cli, require.main?.filename].filter(start => start !== undefined);
  const typescript = await load<TypeScript>(starts, 'typescript', ({ createSourceFile }) => createSourceFile);
  const schematics = await load<typeof import('@nestjs/schematics')>(
    starts,
    '@nestjs/schematics',
    exports => exports.MetadataManager,
  );
  const prettier = await load<Prettier>([application], 'prettier', ({ format }) => format);
  if (typescript === undefined) {
    throw new Refusal('There is no TypeScript to read the sources with: run "npm install --save-dev typescript@6".');
  }
  if (schematics === undefined) {
    throw new Refusal('@nestjs/schematics is missing: run "npm install --save-dev @nestjs/cli @nestjs/schematics".');
  }
  return { typescript, MetadataManager: schematics.MetadataManager, prettier };
}

/** @returns the first of the installed packages that exports what is needed */
async function load<Exports>(
  starts: readonly string[],
  name: string,
  needed: (exports: Partial<Exports>) => unknown,
): Promise<Exports | undefined> {
  for (const start of starts) {
    const file = resolveFrom(start, name);
    if (file === undefined) continue;
    // Nest's schematics of version 12 are an ES module; a CommonJS package comes as the default export.
    const namespace = (await import(pathToFileURL(file).href)) as Partial<Exports> & { default?: Partial<Exports> };
    const exports = [namespace, namespace.default].find(one => one && needed(one) !== undefined);
    if (exports !== undefined) return exports as Exports;
  }
  return undefined;
}

function resolveFrom(start: string, name: string): string | undefined {
  try {
    return createRequire(start).resolve(name);
  } catch {
    return undefined;
  }
}
