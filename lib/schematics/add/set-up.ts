import { posix } from 'node:path';
import { type AppModule, checkLists, findAppModule, propertyOf } from '../source/app-module.js';
import type { Tools } from '../source/application-packages.js';
import { extendDataSource, findDataSource } from '../source/data-source.js';
import { format } from '../source/format.js';
import { Refusal } from '../source/refusal.js';
import { SourceEditor } from '../source/source-editor.js';
import { sourcesIn, type SourceTree, write } from '../source/source-tree.js';
import { inStyle } from '../source/style.js';
import { template } from './files.js';
import { accountModule, sessionModule, typeOrmModule } from './modules.js';
import { ACCOUNTS, CONFIG, type Import, PACKAGE, type SetUp, TYPEORM } from './options.js';

/** What was found in an application and done to it. */
export interface Outcome {
  /** Whether sessions had been set up before, so that no source was changed. */
  readonly present: boolean;
  /** Whether the data source is a new one, on `DATABASE_URL`. */
  readonly database: boolean;
  /** Whether the application runs its migrations by hand. */
  readonly migrationsByHand: boolean;
}

/**
 * Sets sessions up in the sources of an application.
 *
 * @throws Refusal where it does not understand them; nothing has been written then
 */
export async function setUp(tree: SourceTree, tools: Tools, plan: SetUp): Promise<Outcome> {
  const application = findAppModule(tree, tools, plan.sourceRoot);
  const { editor } = application;
  const editors = sourcesIn(tree, plan.sourceRoot).map(path =>
    path === editor.path ? editor : new SourceEditor(tools, path, tree.readText(path)),
  );
  for (const module of [PACKAGE, ACCOUNTS, TYPEORM, CONFIG]) {
    const whole = editors.find(one => one.hasNamespaceOf(module));
    if (whole) throw new Refusal(`${whole.path} imports all of ${module}, so that it cannot be seen what it uses.`);
  }
  const uses = (name: string, module: string) => editors.some(one => one.localName(name, module) !== undefined);
  if (uses('SessionModule', PACKAGE)) {
    if (plan.accounts && !uses('AccountModule', ACCOUNTS)) {
      throw new Refusal('Sessions have been set up here without accounts.');
    }
    return { present: true, database: false, migrationsByHand: false };
  }
  checkConfigModule(editors);
  const environment = `${plan.sourceRoot}/environment.ts`;
  if (tree.exists(environment)) throw new Refusal(`There is a ${environment} already.`);

  const found = findDataSource(editors);
  const database = found === undefined;
  const migrations = plan.migrations.map(({ spread, ...one }) => {
    return (spread ? '...' : '') + importInto(found?.editor ?? editor, one, application, plan.sourceRoot);
  });
  const migrationsByHand = found !== undefined && extendDataSource(found.editor, found.options, migrations);
  const named = (imports: readonly Import[]) =>
    imports.map(one => importInto(editor, one, application, plan.sourceRoot));
  const dataSource = database ? [typeOrmModule(editor.import('TypeOrmModule', TYPEORM), migrations)] : [];
  checkLists(application, ['imports', 'controllers', 'providers']);
  editor.appendToModule(application.metadata, {
    imports: [...dataSource, ...modulesOf(application, plan), ...named(plan.imports)],
    controllers: named(plan.controllers),
    providers: named(plan.providers),
  });
  editor.importFirst(specifierOf(`${plan.sourceRoot}/environment`, editor, application));

  const check = database ? template('environment.database.ts') : '';
  const added = { ...plan.files, 'environment.ts': template('environment.ts') + check };
  const texts = [
    ...editors.map(one => [one.path, one.toString()] as const),
    ...Object.entries(added).map(
      ([path, text]) => [`${plan.sourceRoot}/${path}`, inStyle(text, editor.style)] as const,
    ),
  ].filter(([path, text]) => !tree.exists(path) || tree.readText(path) !== text);
  const before = new Map(texts.map(([path]) => [path, tree.exists(path) ? tree.readText(path) : undefined]));
  for (const [path, text] of texts) write(tree, path, text);
  await format(tree, tools.prettier, before, process.cwd());
  return { present: false, database, migrationsByHand };
}

/** An application that reads its environment in ways of its own would not read what we write. */
function checkConfigModule(editors: readonly SourceEditor[]): void {
  const options = ['envFilePath', 'ignoreEnvFile', 'ignoreEnvVars', 'expandVariables'];
  for (const editor of editors) {
    const { typescript, path } = editor;
    for (const call of editor.callsTo('ConfigModule', CONFIG, ['forRoot'])) {
      const [given] = call.arguments;
      const literal = given === undefined || typescript.isObjectLiteralExpression(given);
      const own = options.find(name => given && literal && propertyOf(typescript, given, name));
      if (own) throw new Refusal(`${path} reads the environment in a way of its own: ConfigModule has ${own}.`);
      if (!literal) throw new Refusal(`${path} gives ConfigModule options that do not stand there.`);
    }
  }
}

function modulesOf(application: AppModule, plan: SetUp): string[] {
  const { editor } = application;
  const session = editor.import('SessionModule', PACKAGE);
  const claims = plan.accounts ? editor.import('AccountClaims', ACCOUNTS) : undefined;
  const accounts = plan.accounts ? [accountModule(editor.import('AccountModule', ACCOUNTS))] : [];
  return [sessionModule(session, claims, plan.transport), ...accounts];
}

function importInto(editor: SourceEditor, { name, from }: Import, application: AppModule, sourceRoot: string): string {
  const module = from.startsWith('./') ? specifierOf(posix.join(sourceRoot, from), editor, application) : from;
  return editor.import(name, module);
}

/** How a file imports another one of the application. */
function specifierOf(path: string, { path: from }: SourceEditor, { extension }: AppModule): string {
  const relative = posix.relative(posix.dirname(from), path);
  return (relative.startsWith('.') ? relative : `./${relative}`) + extension;
}
