import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Refusal } from './refusal.js';

export type TypeScript = typeof import('typescript');

/**
 * Loads the TypeScript of the application, of its Nest CLI, or of the CLI that runs this: the package brings none.
 *
 * @throws Refusal where there is none with a JavaScript API (TypeScript 7 has none)
 */
export function loadTypeScript(folder: string): TypeScript {
  const application = join(folder, 'package.json');
  const starts = [application, resolveFrom(application, '@nestjs/cli/package.json'), require.main?.filename];
  for (const start of starts) {
    if (start === undefined || resolveFrom(start, 'typescript') === undefined) continue;
    const typescript = createRequire(start)('typescript') as Partial<TypeScript>;
    if (typeof typescript.createSourceFile === 'function') return typescript as TypeScript;
  }
  throw new Refusal('There is no TypeScript to read the sources with: run "npm install --save-dev typescript@6".');
}

function resolveFrom(start: string, name: string): string | undefined {
  try {
    return createRequire(start).resolve(name);
  } catch {
    return undefined;
  }
}
