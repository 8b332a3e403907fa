import { posix } from 'node:path';
import { type AppModule, checkLists, findAppModule } from '../source/app-module.js';
import type { Tools } from '../source/application-packages.js';
import { type Configuration, findConfiguration } from '../source/config-module.js';
import { extendDataSource, findDataSource } from '../source/data-source.js';
import { format } from '../source/format.js';
import { Refusal } from '../source/refusal.js';
import type { SourceEditor } from '../source/source-editor.js';
import { Sources } from '../source/sources.js';
import { type SourceTree, write } from '../source/source-tree.js';
import { inStyle } from '../source/style.js';
import type { Facts } from './by-hand.js';
import { template } from './files.js';
import { accountModule, type Choices, type Importer, sessionModule, typeOrmModule } from './modules.js';
import { ACCOUNTS, CONFIG, listsOf, PACKAGE, type SetUp, TYPEORM } from './options.js';

/** What was found in an application, and what was done. */
export interface Outcome {
  /** Whether sessions were set up before. No source was changed then. */
  readonly present: boolean;
  /** Whether the data source is a new one, on `DATABASE_URL`. */
  readonly database: boolean;
  /** Whether the application runs its migrations by hand. */
  readonly migrationsByHand: boolean;
  readonly configuration: Configuration | undefined;
}

/** Called before TypeORM is added to an application that has no data source of it. */
export type ConfirmTypeOrm = () => void;

/**
 * Sets sessions up in the sources of an application.
 *
 * @param facts gets what was found, for the message of a refusal
 * @throws Refusal if it does not understand them; nothing has been written then
 */
export async function setUp(
  tree: SourceTree,
  tools: Tools,
  plan: SetUp,
  facts: Partial<Record<keyof Facts, unknown>> = {},
  confirmTypeOrm: ConfirmTypeOrm = () => {},
): Promise<Outcome> {
  const { accounts, sourceRoot } = plan;
  const sources = new Sources(tree, tools, sourceRoot);
  const configuration = findConfiguration(sources.all);
  const callers = sources.all.filter(one => one.callsTo('TypeOrmModule', TYPEORM).length > 0);
  Object.assign(facts, { configuration, dataSource: callers[0]?.path });
  const application = findAppModule(tree, sources, sourceRoot);
  const { editor } = application;
  Object.assign(facts, { module: editor.path });
  for (const module of [PACKAGE, ACCOUNTS, TYPEORM, CONFIG]) {
    const whole = sources.all.find(one => one.hasNamespaceOf(module));
    if (whole) throw new Refusal(`${whole.path} imports all of ${module}, which hides what it uses.`);
  }
  const uses = (name: string, module: string) => sources.all.some(one => one.localName(name, module) !== undefined);
  if (uses('SessionModule', PACKAGE)) {
    if (accounts && !uses('AccountModule', ACCOUNTS)) throw new Refusal('Sessions are set up here without accounts.');
    return { present: true, database: false, migrationsByHand: false, configuration };
  }
  const environment = `${sourceRoot}/environment.ts`;
  if (!configuration && tree.exists(environment)) throw new Refusal(`There is a ${environment} already.`);

  const found = findDataSource(sources);
  if (found === undefined) confirmTypeOrm();
  const importing =
    (into: SourceEditor): Importer =>
    ({ name, from }) =>
      into.import(name, from.startsWith('./') ? specifierOf(posix.join(sourceRoot, from), into, application) : from);
  const importer = importing(editor);
  const lists = (kind: 'ENTITIES' | 'MIGRATIONS', into: Importer) =>
    listsOf(kind, accounts).map(one => `...${into(one)}`);
  const migrations = (into: Importer) => [...lists('MIGRATIONS', into), ...plan.migrations.map(into)];

  const choices: Choices = { ...plan, configuration };
  const modules: string[] = [];
  let migrationsByHand = false;
  if (found === undefined) {
    modules.push(typeOrmModule(choices, importer, migrations(importer)));
  } else {
    const into = importing(found.editor);
    const entities = found.isShared ? lists('ENTITIES', into) : [];
    migrationsByHand = extendDataSource(found, entities, migrations(into));
  }
  modules.push(sessionModule(choices, importer), ...(accounts ? [accountModule(choices, importer)] : []));
  checkLists(application, ['imports', 'controllers', 'providers']);
  editor.appendToModule(application.metadata, {
    imports: [...modules, ...plan.imports.map(importer)],
    controllers: plan.controllers.map(importer),
    providers: plan.providers.map(importer),
  });
  const check = found === undefined ? template('environment.database.ts') : '';
  const added = {
    ...plan.files,
    ...(configuration ? {} : { 'environment.ts': template('environment.ts') + check }),
  };
  if (!configuration) editor.importFirst(specifierOf(`${sourceRoot}/environment`, editor, application));
  await writeSources(tree, tools, [
    ...sources.all.map(one => [one.path, one.toString()] as const),
    ...Object.entries(added).map(([path, text]) => [`${sourceRoot}/${path}`, inStyle(text, editor.style)] as const),
  ]);
  return { present: false, database: found === undefined, migrationsByHand, configuration };
}

async function writeSources(
  tree: SourceTree,
  { prettier }: Tools,
  sources: readonly (readonly [path: string, text: string])[],
): Promise<void> {
  const before = new Map<string, string | undefined>();
  for (const [path, text] of sources) {
    const former = tree.exists(path) ? tree.readText(path) : undefined;
    if (former === text) continue;
    before.set(path, former);
    write(tree, path, text);
  }
  await format(tree, prettier, before, process.cwd());
}

/** How a file imports another one of the application. */
function specifierOf(path: string, { path: from }: SourceEditor, { extension }: AppModule): string {
  const relative = posix.relative(posix.dirname(from), path);
  return (relative.startsWith('.') ? relative : `./${relative}`) + extension;
}
