import type * as TS from 'typescript';
import type { TypeScript } from './application-packages.js';
import { Refusal } from './refusal.js';
import type { SourceEditor } from './source-editor.js';
import type { Sources } from './sources.js';
import type { SourceTree } from './source-tree.js';

export interface AppModule {
  readonly editor: SourceEditor;
  /** The argument of `@Module`. */
  readonly metadata: TS.ObjectLiteralExpression;
  /** The end of relative imports: `.js`, `.ts` or nothing. */
  readonly extension: string;
}

/**
 * Finds the module that `main.ts` starts.
 *
 * @throws Refusal if it is not written as the Nest CLI writes it
 */
export function findAppModule(tree: SourceTree, sources: Sources, sourceRoot: string): AppModule {
  const path = `${sourceRoot}/main.ts`;
  if (!tree.exists(path)) throw new Refusal(`There is no ${path}, which starts a Nest application.`);
  const main = sources.open(path);
  const { name, specifier } = startedModule(main);
  const editor = sources.imported(main, specifier);
  if (editor === undefined) throw new Refusal(`${path} imports ${specifier}, which is not among the sources.`);
  const extension = /\.[jt]s$/.exec(specifier)?.[0] ?? '';
  return { editor, metadata: metadataOf(editor, name), extension };
}

/** @throws Refusal if one of the lists is not written in the metadata itself */
export function checkLists({ editor, metadata }: AppModule, names: readonly string[]): void {
  const { typescript, path } = editor;
  for (const name of names) {
    const property = propertyOf(typescript, metadata, name);
    const value = property && typescript.isPropertyAssignment(property) ? property.initializer : property;
    if (value && !typescript.isArrayLiteralExpression(value)) {
      throw new Refusal(`In ${path} "${name}" is no list that is written there.`);
    }
  }
}

export function propertyOf(
  typescript: TypeScript,
  literal: TS.ObjectLiteralExpression,
  name: string,
): TS.ObjectLiteralElementLike | undefined {
  return literal.properties.find(({ name: key }) => {
    return key !== undefined && (typescript.isIdentifier(key) || typescript.isStringLiteral(key)) && key.text === name;
  });
}

function startedModule(main: SourceEditor): { name: string; specifier: string } {
  const started = main.callsTo('NestFactory', '@nestjs/core');
  const names = new Set(started.map(call => call.arguments[0]?.getText() ?? ''));
  const [local = ''] = names;
  const imported = names.size === 1 ? main.importOf(local) : undefined;
  if (imported === undefined) throw new Refusal(`${main.path} does not start one module that it imports by its name.`);
  if (!imported.module.startsWith('.')) {
    throw new Refusal(`${main.path} imports ${local} from ${imported.module}, which is no relative path.`);
  }
  return { name: imported.imported, specifier: imported.module };
}

function metadataOf(editor: SourceEditor, name: string): TS.ObjectLiteralExpression {
  const { typescript, file, path } = editor;
  const declaration = file.statements.find(one => typescript.isClassDeclaration(one) && one.name?.text === name);
  const decorators =
    declaration && typescript.canHaveDecorators(declaration) ? typescript.getDecorators(declaration) : [];
  const module = editor.localName('Module', '@nestjs/common');
  const metadata = decorators
    ?.map(({ expression }) => expression)
    .filter(expression => typescript.isCallExpression(expression))
    .find(call => call.expression.getText() === module)?.arguments[0];
  if (metadata && typescript.isObjectLiteralExpression(metadata)) return metadata;
  throw new Refusal(`${path} has no class ${name} with @Module({ … }).`);
}
