import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { BUILT_PACKAGE } from './built-package.js';

const ROOT = BUILT_PACKAGE;
const CONSUMER = join(ROOT, 'test', 'consumer', 'tsconfig.json');

/** The declarations of libraries are read once for all programs of a test. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/**
 * Compiles a source as an application would: with the Nest starter's compiler options, against the built package.
 *
 * @returns the compiler's messages
 */
export function compileAsConsumer(source: string): string[] {
  return compileAllAsConsumer([source])[0]!;
}

/**
 * The same for many sources, as files of one application.
 *
 * @returns the compiler's messages for each
 */
export function compileAllAsConsumer(given: readonly string[]): string[][] {
  const { config } = ts.readConfigFile(CONSUMER, path => readFileSync(path, 'utf8')) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(CONSUMER));
  const folder = join(ROOT, 'test', 'consumer');
  const sources = new Map(given.map((source, index) => [join(folder, `compiled-by-test-${index}.ts`), source]));
  const compilerOptions = { ...options, noEmit: true, rootDir: undefined, skipLibCheck: true };
  const host = ts.createCompilerHost(compilerOptions);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, target) => {
    const source = sources.get(name);
    if (source !== undefined) return ts.createSourceFile(name, source, target);
    if (!parsed.has(name)) parsed.set(name, getSourceFile.call(host, name, target));
    return parsed.get(name);
  };
  host.fileExists = name => sources.has(name) || fileExists.call(host, name);
  host.readFile = name => sources.get(name) ?? readFile.call(host, name);
  // The consumer's folder has a package.json of its own; the package under test is found here instead.
  compilerOptions.paths = {
    'nestjs-jwt-session': [join(ROOT, 'dist', 'index.d.ts')],
    'nestjs-jwt-session/testing': [join(ROOT, 'dist', 'testing', 'index.d.ts')],
    'nestjs-jwt-session/verifier': [join(ROOT, 'dist', 'verifier', 'index.d.ts')],
    'nestjs-jwt-session/client': [join(ROOT, 'dist', 'client', 'index.d.ts')],
    'nestjs-jwt-session/accounts': [join(ROOT, 'dist', 'accounts', 'index.d.ts')],
    'nestjs-jwt-session/accounts/testing': [join(ROOT, 'dist', 'accounts', 'testing', 'index.d.ts')],
    'nestjs-jwt-session/redis': [join(ROOT, 'dist', 'redis', 'index.d.ts')],
  };
  const program = ts.createProgram([...sources.keys()], compilerOptions, host);
  return [...sources.keys()].map(name =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(name))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
  );
}
