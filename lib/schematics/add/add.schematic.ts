import type { Rule, SchematicContext } from '@angular-devkit/schematics';
import { loadTools } from '../source/application-packages.js';
import { Refusal } from '../source/refusal.js';
import type { SourceTree } from '../source/source-tree.js';
import { type Facts, linesByHand } from './by-hand.js';
import { DATABASE_URL, variablesOf, writeEnvironment } from './environment.js';
import { template } from './files.js';
import { type AddOptions, PACKAGE, type SetUp } from './options.js';
import { addPackages, neededPackages, otherStore, packageManagerOf, readManifest } from './packages.js';
import { protectSecrets, runAfterwards } from './protect.js';
import { report } from './report.js';
import { type Outcome, setUp } from './set-up.js';

const STUB = 'auth/auth.controller.ts';

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/**
 * `nest add nestjs-jwt-session`: sets sessions up in an existing application. A second run changes nothing.
 *
 * @throws Error if it does not understand the application; the message has the reason and what to write by hand
 */
export const nestAdd =
  (options: AddOptions): Rule =>
  async (tree, context) => {
    const facts: Writable<Facts> = {};
    try {
      const manifest = readManifest(tree);
      facts.manifest = manifest;
      const stub = !options.accounts && !tree.exists(`${options.sourceRoot}/${STUB}`);
      const confirm = () => {
        const store = otherStore(manifest);
        if (store !== undefined && !options.yes) throw new Refusal(question(store, options));
      };
      const outcome = await setUp(tree, await loadTools(process.cwd()), planOf(options, stub), facts, confirm);
      if (outcome.present) {
        context.logger.info(`${PACKAGE} is set up here already: nothing was changed.`);
        return;
      }
      const packages = addPackages(tree, 'dependencies', neededPackages(manifest, options.accounts));
      const { written, secretFile } = addEnvironment(tree, context, options, outcome);
      const packageManager = packageManagerOf(tree);
      if (packages.length > 0 && !options.skipInstall) install(context, packageManager);
      const login = stub ? `${options.sourceRoot}/${STUB}` : undefined;
      const done = { ...options, ...outcome, packages, packageManager, files: written, secretFile, stub: login };
      context.logger.info(report(done));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const lines = `Nothing was changed. To set ${PACKAGE} up by hand:\n\n${linesByHand(tree, options, facts)}`;
      throw new Error(`${error.message}\n\n${lines}`, { cause: error });
    }
  };

/** The question to the developer of an application without TypeORM. */
function question(store: string, { accounts }: AddOptions): string {
  return `This application stores its data by ${store}, and ${PACKAGE} works through TypeORM. "nest add" would add TypeORM beside ${store}: the packages typeorm, @nestjs/typeorm and pg, a TypeOrmModule on DATABASE_URL (PostgreSQL), and its own tables for sessions${accounts ? ' and accounts' : ''}, by migrations that run at start. Run "npx nest add ${PACKAGE} --yes" to do so.`;
}

function planOf({ transport, accounts, sourceRoot }: AddOptions, stub: boolean): SetUp {
  return {
    transport,
    accounts,
    sourceRoot,
    imports: [],
    controllers: stub ? [{ name: 'AuthController', from: './auth/auth.controller' }] : [],
    providers: [],
    migrations: [],
    files: stub ? { [STUB]: template('login.controller.ts') } : {},
  };
}

function addEnvironment(
  tree: SourceTree,
  context: SchematicContext,
  { accounts }: AddOptions,
  { configuration, database }: Outcome,
): { written: string[]; secretFile: string | undefined } {
  const candidates = configuration ? configuration.files : ['.env'];
  const secretFile = candidates?.find(file => tree.exists(file)) ?? candidates?.[0];
  const isNew = secretFile !== undefined && !tree.exists(secretFile);
  const local = { ...DATABASE_URL, value: () => 'postgres://postgres@localhost:5432/postgres' };
  const written = writeEnvironment(tree, variablesOf({ accounts, database: database ? local : undefined }), secretFile);
  if (isNew) protectSecrets(context, [secretFile]);
  return { written, secretFile };
}

function install(context: SchematicContext, packageManager: string): void {
  const options = { command: 'install', packageManager, quiet: true, hideOutput: false, allowScripts: true };
  runAfterwards(context, 'node-package', options);
}
