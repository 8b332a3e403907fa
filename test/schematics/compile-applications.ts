import { dirname, join } from 'node:path';
import ts from 'typescript';
import { BUILT_PACKAGE } from '../support/built-package.js';
import type { Files } from './applications.js';

const ROOT = BUILT_PACKAGE;

/** `@nestjs/config` is no dependency of this repository. */
const CONFIG_PATH = join(ROOT, 'test', 'nest-config.d.ts');
const CONFIG = `import type { DynamicModule } from '@nestjs/common';
export declare class ConfigModule {
  static forRoot(options?: object): Promise<DynamicModule>;
}
export declare class ConfigService {
  get<T>(name: string): T | undefined;
  getOrThrow<T>(name: string): T;
}
`;

/**
 * Compiles the sources of applications as the Nest starter does, strictly, against the built package.
 *
 * @returns the compiler's messages, by the file
 */
export function compileApplications(applications: Readonly<Record<string, Files>>): string[] {
  const texts = new Map<string, string>([[CONFIG_PATH, CONFIG]]);
  Object.values(applications).forEach((files, index) => {
    for (const [path, text] of Object.entries(files)) texts.set(join(ROOT, 'test', `application-${index}`, path), text);
  });
  const names = Object.keys(applications);
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    strictPropertyInitialization: false,
    isolatedModules: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    esModuleInterop: true,
    skipLibCheck: true,
    noEmit: true,
    types: ['node'],
    paths: {
      '@nestjs/config': [CONFIG_PATH],
      'nestjs-jwt-session': [join(ROOT, 'dist', 'index.d.ts')],
      'nestjs-jwt-session/accounts': [join(ROOT, 'dist', 'accounts', 'index.d.ts')],
    },
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile, directoryExists } = host;
  const folders = new Set([...texts.keys()].map(path => dirname(path)));
  host.fileExists = path => texts.has(path) || fileExists(path);
  host.readFile = path => texts.get(path) ?? readFile(path);
  host.directoryExists = path => folders.has(path) || directoryExists!(path);
  host.getSourceFile = (path, target, ...others) => {
    const text = texts.get(path);
    return text === undefined ? getSourceFile(path, target, ...others) : ts.createSourceFile(path, text, target);
  };
  const sources = [...texts.keys()].filter(path => path.includes('/src/'));
  const program = ts.createProgram(sources, options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const [, index, path] = /application-(\d+)\/(.*)/.exec(file?.fileName ?? '') ?? [];
    return `${names[Number(index)]}, ${path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
