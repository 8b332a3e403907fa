import type * as TS from 'typescript';
import { propertyOf } from './app-module.js';
import type { TypeScript } from './application-packages.js';
import { Refusal } from './refusal.js';
import type { SourceEditor } from './source-editor.js';

/**
 * Finds the options of the application's data source.
 *
 * @returns undefined where the application has none
 * @throws Refusal where there are several, or the options do not stand there as a literal
 */
export function findDataSource(
  editors: readonly SourceEditor[],
): { editor: SourceEditor; options: TS.ObjectLiteralExpression } | undefined {
  const calls = editors.flatMap(editor =>
    editor.callsTo('TypeOrmModule', '@nestjs/typeorm', ['forRoot', 'forRootAsync']).map(call => ({ editor, call })),
  );
  if (calls.length > 1) {
    throw new Refusal(`There are several data sources, in ${calls.map(({ editor }) => editor.path).join(' and ')}.`);
  }
  const [found] = calls;
  if (found !== undefined) return { editor: found.editor, options: optionsOf(found.editor, found.call) };
  const user = editors.find(editor => editor.localName('TypeOrmModule', '@nestjs/typeorm') !== undefined);
  if (user) throw new Refusal(`${user.path} uses TypeOrmModule, but none of the sources sets it up.`);
  return undefined;
}

/**
 * Adds migrations, and makes the data source know the entities of modules.
 *
 * @returns whether migrations are run by hand
 * @throws Refusal where the options say otherwise, or not plainly enough
 */
export function extendDataSource(
  editor: SourceEditor,
  options: TS.ObjectLiteralExpression,
  migrations: readonly string[],
): boolean {
  const { typescript, path } = editor;
  if (options.properties.some(one => typescript.isSpreadAssignment(one))) {
    throw new Refusal(`${path} takes options of the data source from elsewhere.`);
  }
  const value = (name: string) => valueOf(typescript, options, name);
  const type = value('type');
  if (type === undefined || !typescript.isStringLiteral(type) || type.text !== 'postgres') {
    throw new Refusal(`The data source in ${path} is not of type 'postgres'.`);
  }
  if (value('name') !== undefined) throw new Refusal(`The data source in ${path} has a name of its own.`);

  const added: string[] = [];
  const entities = value('entities');
  const automatic = value('autoLoadEntities');
  if (automatic === undefined) {
    if (entities !== undefined && !typescript.isArrayLiteralExpression(entities)) {
      throw new Refusal(`The data source in ${path} has entities that do not stand there as a list.`);
    }
    added.push('autoLoadEntities: true');
  } else if (automatic.kind !== typescript.SyntaxKind.TrueKeyword) {
    throw new Refusal(`The data source in ${path} has autoLoadEntities, but not true.`);
  }

  const present = value('migrations');
  if (present === undefined) {
    added.push(`migrations: [${migrations.join(', ')}]`);
    if (value('migrationsRun') === undefined) added.push('migrationsRun: true');
  } else if (typescript.isArrayLiteralExpression(present)) {
    editor.append(present, migrations);
  } else {
    throw new Refusal(`The data source in ${path} has migrations that do not stand there as a list.`);
  }
  if (added.length > 0) editor.append(options, added);
  const run = value('migrationsRun');
  return run === undefined ? present !== undefined : run.kind !== typescript.SyntaxKind.TrueKeyword;
}

function optionsOf({ typescript, path }: SourceEditor, call: TS.CallExpression): TS.ObjectLiteralExpression {
  const [argument] = call.arguments;
  const literal = argument && literalOf(typescript, argument);
  if (literal === undefined) throw new Refusal(`The data source's options do not stand in ${path}.`);
  if ((call.expression as TS.PropertyAccessExpression).name.text === 'forRoot') return literal;
  const factory = propertyOf(typescript, literal, 'useFactory');
  const made = factory && resultOf(typescript, factory);
  if (made === undefined) throw new Refusal(`The data source in ${path} comes from a factory that cannot be read.`);
  if (propertyOf(typescript, literal, 'name')) throw new Refusal(`The data source in ${path} has a name of its own.`);
  return made;
}

/** What a factory returns, where that is one literal. */
function resultOf(
  typescript: TypeScript,
  factory: TS.ObjectLiteralElementLike,
): TS.ObjectLiteralExpression | undefined {
  const method = typescript.isPropertyAssignment(factory) ? factory.initializer : factory;
  if (typescript.isArrowFunction(method) && !typescript.isBlock(method.body)) return literalOf(typescript, method.body);
  if (!typescript.isFunctionLike(method) || !('body' in method) || !method.body) return undefined;
  const { body } = method;
  if (!typescript.isBlock(body)) return undefined;
  // One statement, so that what is returned is what there is.
  const [statement, ...others] = body.statements;
  if (others.length > 0 || !statement || !typescript.isReturnStatement(statement)) return undefined;
  return statement.expression && literalOf(typescript, statement.expression);
}

function valueOf(typescript: TypeScript, options: TS.ObjectLiteralExpression, name: string): TS.Node | undefined {
  const property = propertyOf(typescript, options, name);
  if (property === undefined || !typescript.isPropertyAssignment(property)) return property;
  return bare(typescript, property.initializer);
}

function literalOf(typescript: TypeScript, node: TS.Expression): TS.ObjectLiteralExpression | undefined {
  const expression = bare(typescript, node);
  return typescript.isObjectLiteralExpression(expression) ? expression : undefined;
}

/** The expression without parentheses, `as` and `satisfies`. */
function bare(typescript: TypeScript, expression: TS.Expression): TS.Expression {
  const wraps =
    typescript.isParenthesizedExpression(expression) ||
    typescript.isAsExpression(expression) ||
    typescript.isSatisfiesExpression(expression);
  return wraps ? bare(typescript, expression.expression) : expression;
}
