import { propertyOf } from './app-module.js';
import type { SourceEditor } from './source-editor.js';

/** How the application uses `ConfigModule` of `@nestjs/config`. */
export interface Configuration {
  readonly isGlobal: boolean;
  /** The files that it reads; the first one takes precedence. Undefined if that cannot be seen, or it reads none. */
  readonly files: readonly string[] | undefined;
}

/** @returns undefined if the application does not set `ConfigModule` up */
export function findConfiguration(editors: readonly SourceEditor[]): Configuration | undefined {
  const calls = editors.flatMap(editor =>
    editor.callsTo('ConfigModule', '@nestjs/config', ['forRoot']).map(call => ({ editor, call })),
  );
  const [found] = calls;
  if (found === undefined) return undefined;
  const { typescript } = found.editor;
  const [options] = found.call.arguments;
  if (options === undefined) return { isGlobal: false, files: ['.env'] };
  if (!typescript.isObjectLiteralExpression(options)) return { isGlobal: false, files: undefined };
  const value = (name: string) => {
    const property = propertyOf(typescript, options, name);
    return property && typescript.isPropertyAssignment(property) ? property.initializer : property;
  };
  const isSpread = options.properties.some(property => typescript.isSpreadAssignment(property));
  const ignored = value('ignoreEnvFile');
  const paths = value('envFilePath');
  const listed = paths && typescript.isArrayLiteralExpression(paths) ? paths.elements : paths && [paths];
  const files = listed?.map(path => (typescript.isStringLiteralLike(path) ? path.text : '')) ?? ['.env'];
  const isKnown =
    calls.length === 1 && !isSpread && !ignored && files.every(file => /^(\.\/)?[\w.][\w./-]*$/.test(file));
  return {
    isGlobal: value('isGlobal')?.kind === typescript.SyntaxKind.TrueKeyword,
    files: isKnown && !files.some(file => file.includes('..')) ? files : undefined,
  };
}
