import type * as TS from 'typescript';
import { propertyOf } from './app-module.js';
import { Refusal } from './refusal.js';
import type { SourceEditor } from './source-editor.js';
import type { Declaration, Sources } from './sources.js';

/** The options of the application's data source. */
export interface DataSource {
  readonly editor: SourceEditor;
  readonly options: TS.ObjectLiteralExpression;
  /** Whether TypeORM's CLI uses the options as well. They then list their entities; `autoLoadEntities` is of Nest. */
  readonly isShared: boolean;
}

/** The literals that lead to the options, the call's argument first. */
interface Path extends DataSource {
  readonly outer: readonly TS.ObjectLiteralExpression[];
}

const TYPEORM = '@nestjs/typeorm';
const OPTION_NAMES = ['entities', 'migrations', 'name', 'type'];

/**
 * Finds the options of the application's data source, in the call of `TypeOrmModule` or where its argument leads.
 *
 * @returns undefined if the application has none
 * @throws Refusal if there are several, or the options are not written as a literal
 */
export function findDataSource(sources: Sources): DataSource | undefined {
  const calls = sources.all.flatMap(editor =>
    editor.callsTo('TypeOrmModule', TYPEORM, ['forRoot', 'forRootAsync']).map(call => ({ editor, call })),
  );
  if (calls.length > 1) {
    throw new Refusal(`There are several data sources, in ${calls.map(({ editor }) => editor.path).join(' and ')}.`);
  }
  const [found] = calls;
  if (found !== undefined) return optionsOf(sources, found.editor, found.call);
  const user = sources.all.find(editor => editor.localName('TypeOrmModule', TYPEORM) !== undefined);
  if (user) throw new Refusal(`${user.path} uses TypeOrmModule, but none of the sources sets it up.`);
  return undefined;
}

/**
 * Adds migrations, and makes the data source know the entities of modules.
 *
 * @returns whether migrations are run by hand
 * @throws Refusal if the options contradict, or cannot be read
 */
export function extendDataSource(
  { editor, options, isShared }: DataSource,
  entities: readonly string[],
  migrations: readonly string[],
): boolean {
  const { typescript, path } = editor;
  if (options.properties.some(one => typescript.isSpreadAssignment(one))) {
    throw new Refusal(`${path} takes options of the data source from elsewhere.`);
  }
  const value = (name: string) => valueOf(editor, options, name);
  const type = value('type');
  if (type === undefined || !typescript.isStringLiteral(type) || type.text !== 'postgres') {
    throw new Refusal(`The data source in ${path} is not of type 'postgres'.`);
  }
  if (value('name') !== undefined) throw new Refusal(`The data source in ${path} has a name of its own.`);

  const added: string[] = [];
  const addTo = (name: string, items: readonly string[]) => {
    const list = value(name);
    if (list === undefined) added.push(`${name}: [${items.join(', ')}]`);
    else if (typescript.isArrayLiteralExpression(list)) editor.append(list, items);
    else throw new Refusal(`The data source in ${path} has ${name} that are not written there as a list.`);
  };
  const automatic = value('autoLoadEntities');
  if (isShared) {
    addTo('entities', entities);
  } else if (automatic === undefined) {
    const listed = value('entities');
    if (listed !== undefined && !typescript.isArrayLiteralExpression(listed)) {
      throw new Refusal(`The data source in ${path} has entities that are not written there as a list.`);
    }
    added.push('autoLoadEntities: true');
  } else if (automatic.kind !== typescript.SyntaxKind.TrueKeyword) {
    throw new Refusal(`The data source in ${path} has autoLoadEntities, but not true.`);
  }
  const present = value('migrations');
  addTo('migrations', migrations);
  const run = value('migrationsRun');
  if (present === undefined && run === undefined && !isShared) added.push('migrationsRun: true');
  if (added.length > 0) editor.append(options, added);
  return run === undefined ? present !== undefined || isShared : run.kind !== typescript.SyntaxKind.TrueKeyword;
}

function optionsOf(sources: Sources, editor: SourceEditor, call: TS.CallExpression): DataSource {
  const { path, typescript } = editor;
  const [argument] = call.arguments;
  if ((call.expression as TS.PropertyAccessExpression).name.text === 'forRoot') {
    const found = argument && literalOf(sources, { editor, node: argument });
    if (found === undefined) throw new Refusal(`The data source's options are not written in ${path}.`);
    return found;
  }
  const given = argument && bare(editor, argument);
  const literal = given && typescript.isObjectLiteralExpression(given) ? given : undefined;
  if (literal === undefined) throw new Refusal(`The data source's options are not written in ${path}.`);
  const made = resultOf(sources, factoryOf(sources, editor, literal));
  if (made === undefined) throw new Refusal(`The data source in ${path} comes from a factory that cannot be read.`);
  if (propertyOf(typescript, literal, 'name')) throw new Refusal(`The data source in ${path} has a name of its own.`);
  return made;
}

/** The function of `useFactory`, or the method of the class of `useClass`. */
function factoryOf(
  sources: Sources,
  editor: SourceEditor,
  options: TS.ObjectLiteralExpression,
): Declaration | undefined {
  const { typescript } = editor;
  const named = (name: string): Declaration | undefined => {
    const property = propertyOf(typescript, options, name);
    const node = property && typescript.isPropertyAssignment(property) ? property.initializer : property;
    const isName = node && typescript.isIdentifier(node);
    return isName ? sources.declarationOf(editor, node.text) : node && { editor, node };
  };
  const found = named('useClass');
  if (found === undefined) return named('useFactory');
  if (!typescript.isClassDeclaration(found.node)) return undefined;
  const node = found.node.members.find(member => member.name?.getText() === 'createTypeOrmOptions');
  return node && { editor: found.editor, node };
}

/** The object that a factory returns, if it has one `return`, at its end. */
function resultOf(sources: Sources, factory: Declaration | undefined): DataSource | undefined {
  if (factory === undefined) return undefined;
  const { editor, node } = factory;
  const { typescript } = editor;
  if (!typescript.isFunctionLike(node) || !('body' in node) || !node.body) return undefined;
  const { body } = node;
  if (!typescript.isBlock(body)) return literalOf(sources, { editor, node: body });
  const last = body.statements.at(-1);
  if (!last || !typescript.isReturnStatement(last) || !last.expression) return undefined;
  const others = body.statements.slice(0, -1);
  return others.every(one => typescript.isVariableStatement(one))
    ? literalOf(sources, { editor, node: last.expression })
    : undefined;
}

/** Follows names, `new DataSource(…)`, its `options` and a spread to the literal that has the options. */
function literalOf(sources: Sources, start: Declaration): DataSource | undefined {
  const found = follow(sources, start, []);
  if (found === undefined) return undefined;
  const { editor, options, isShared, outer } = found;
  const overridden = OPTION_NAMES.find(name => outer.some(one => propertyOf(editor.typescript, one, name)));
  if (overridden) throw new Refusal(`${start.editor.path} sets ${overridden} beside options from elsewhere.`);
  return { editor, options, isShared };
}

function follow(
  sources: Sources,
  { editor, node }: Declaration,
  outer: readonly TS.ObjectLiteralExpression[],
  isShared = false,
): Path | undefined {
  const { typescript } = editor;
  const at = bare(editor, node as TS.Expression);
  if (typescript.isObjectLiteralExpression(at)) {
    const [spread, ...others] = at.properties.filter(one => typescript.isSpreadAssignment(one));
    const inner =
      spread && others.length === 0
        ? follow(sources, { editor, node: spread.expression }, [...outer, at], isShared)
        : undefined;
    return inner ?? { editor, options: at, isShared, outer };
  }
  if (typescript.isPropertyAccessExpression(at) && at.name.text === 'options') {
    return follow(sources, { editor, node: at.expression }, outer, true);
  }
  if (typescript.isNewExpression(at) && at.expression.getText() === editor.localName('DataSource', 'typeorm')) {
    const [options] = at.arguments ?? [];
    return options && follow(sources, { editor, node: options }, outer, true);
  }
  if (!typescript.isIdentifier(at)) return undefined;
  const declaration = sources.declarationOf(editor, at.text);
  return declaration && follow(sources, declaration, outer, true);
}

function valueOf(editor: SourceEditor, options: TS.ObjectLiteralExpression, name: string): TS.Node | undefined {
  const property = propertyOf(editor.typescript, options, name);
  if (property === undefined || !editor.typescript.isPropertyAssignment(property)) return property;
  return bare(editor, property.initializer);
}

/** The expression without parentheses, `as` and `satisfies`. */
function bare(editor: SourceEditor, expression: TS.Expression): TS.Expression {
  const { typescript } = editor;
  const wraps =
    typescript.isParenthesizedExpression(expression) ||
    typescript.isAsExpression(expression) ||
    typescript.isSatisfiesExpression(expression);
  return wraps ? bare(editor, expression.expression) : expression;
}
