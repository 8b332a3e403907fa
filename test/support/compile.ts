import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const ROOT = process.cwd();
const CONSUMER = join(ROOT, 'test', 'consumer', 'tsconfig.json');

/**
 * Compiles a source as an application would: with the Nest starter's compiler options, against the built package.
 *
 * @returns what the compiler has to say
 */
export function compileAsConsumer(source: string): string[] {
  const { config } = ts.readConfigFile(CONSUMER, path => readFileSync(path, 'utf8')) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(CONSUMER));
  const file = join(ROOT, 'test', 'consumer', 'compiled-by-test.ts');
  const compilerOptions = { ...options, noEmit: true, rootDir: undefined, skipLibCheck: true };
  const host = ts.createCompilerHost(compilerOptions);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (name, target) =>
    name === file ? ts.createSourceFile(name, source, target) : getSourceFile.call(host, name, target);
  host.fileExists = name => name === file || fileExists.call(host, name);
  host.readFile = name => (name === file ? source : readFile.call(host, name));
  // The consumer's folder has a package.json of its own; the package under test is found here instead.
  compilerOptions.paths = {
    'nestjs-jwt-session': [join(ROOT, 'dist', 'index.d.ts')],
    'nestjs-jwt-session/testing': [join(ROOT, 'dist', 'testing', 'index.d.ts')],
    'nestjs-jwt-session/verifier': [join(ROOT, 'dist', 'verifier', 'index.d.ts')],
    'nestjs-jwt-session/client': [join(ROOT, 'dist', 'client', 'index.d.ts')],
    'nestjs-jwt-session/accounts': [join(ROOT, 'dist', 'accounts', 'index.d.ts')],
    'nestjs-jwt-session/accounts/testing': [join(ROOT, 'dist', 'accounts', 'testing', 'index.d.ts')],
  };
  const program = ts.createProgram([file], compilerOptions, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
