import type { Rule, SchematicContext } from '@angular-devkit/schematics';
import { loadTools } from '../source/application-packages.js';
import { Refusal } from '../source/refusal.js';
import type { SourceTree } from '../source/source-tree.js';
import { DATABASE_URL, variablesOf, writeEnvironment } from './environment.js';
import { template } from './files.js';
import { linesByHand } from './modules.js';
import { type AddOptions, migrationsOf, PACKAGE, type SetUp } from './options.js';
import { addPackages, neededPackages, readManifest } from './packages.js';
import { protectSecrets, runAfterwards } from './protect.js';
import { report } from './report.js';
import { type Outcome, setUp } from './set-up.js';

const STUB = 'auth/auth.controller.ts';

/**
 * `nest add nestjs-jwt-session`: sets sessions up in an existing application. A second run changes nothing.
 *
 * @throws Error that says why it does not understand the application, and what to write by hand
 */
export const nestAdd =
  (options: AddOptions): Rule =>
  async (tree, context) => {
    try {
      const manifest = readManifest(tree);
      const stub = !options.accounts && !tree.exists(`${options.sourceRoot}/${STUB}`);
      const outcome = await setUp(tree, await loadTools(process.cwd()), planOf(options, stub));
      if (outcome.present) {
        context.logger.info(`${PACKAGE} is set up here already: nothing was changed.`);
        return;
      }
      const packages = addPackages(tree, 'dependencies', neededPackages(manifest, options.accounts));
      const files = addEnvironment(tree, context, options, outcome);
      if (packages.length > 0 && !options.skipInstall) install(context);
      const login = stub ? `${options.sourceRoot}/${STUB}` : undefined;
      context.logger.info(report({ ...options, ...outcome, packages, files, stub: login }));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const lines = `Nothing was changed. To set ${PACKAGE} up by hand, write:\n\n${linesByHand(options)}\n`;
      throw new Error(`${error.message}\n\n${lines}`, { cause: error });
    }
  };

function planOf({ transport, accounts, sourceRoot }: AddOptions, stub: boolean): SetUp {
  return {
    transport,
    accounts,
    sourceRoot,
    imports: [],
    controllers: stub ? [{ name: 'AuthController', from: './auth/auth.controller' }] : [],
    providers: [],
    migrations: migrationsOf(accounts),
    files: stub ? { [STUB]: template('login.controller.ts') } : {},
  };
}

function addEnvironment(tree: SourceTree, context: SchematicContext, options: AddOptions, outcome: Outcome): string[] {
  const isNew = !tree.exists('.env');
  const database = { ...DATABASE_URL, value: () => 'postgres://postgres@localhost:5432/postgres' };
  const variables = variablesOf({ accounts: options.accounts, database: outcome.database ? database : undefined });
  const files = writeEnvironment(tree, variables);
  if (isNew) protectSecrets(context, ['.env']);
  return files;
}

function install(context: SchematicContext): void {
  runAfterwards(context, 'node-package', { command: 'install', quiet: true, hideOutput: false, allowScripts: true });
}
