import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { transformFileSync } from '@swc/core';

/**
 * Runs TypeScript of this repository without a build: `node --import ./test/support/typescript.mjs file.ts`.
 * Node 20 cannot, and later versions refuse decorators.
 */
if (isMainThread) register(import.meta.url);

const LIB = new URL('../../lib/', import.meta.url).href;

export function resolve(specifier, context, next) {
  const [, entry] = /^nestjs-jwt-session(\/.*)?$/.exec(specifier) ?? [];
  if (specifier === 'nestjs-jwt-session' || entry) return found(new URL(`.${entry ?? ''}/index.ts`, LIB).href);
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
    const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(url)) return found(url.href);
  }
  return next(specifier, context);
}

export function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const { code } = transformFileSync(fileURLToPath(url), { sourceMaps: 'inline' });
  return { format: 'module', source: code, shortCircuit: true };
}

const found = url => ({ url: pathToFileURL(fileURLToPath(url)).href, format: 'module', shortCircuit: true });
