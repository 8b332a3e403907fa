import type { SourceTree } from '../source/source-tree.js';
import type { Configuration } from '../source/config-module.js';
import { DATABASE_URL, exampleLines, variablesOf } from './environment.js';
import { accountModule, type Choices, type Importer, sessionModule, typeOrmModule } from './modules.js';
import { type AddOptions, type Import, listsOf } from './options.js';
import { installCommand, type Manifest, missingPackages } from './packages.js';

/** What is known of an application that the schematic does not change. */
export interface Facts {
  /** Undefined if there is no package.json of a Nest application. */
  readonly manifest?: Manifest;
  readonly configuration?: Configuration;
  /** Path of the application's module. */
  readonly module?: string;
  /** Path of the file that sets `TypeOrmModule` up. */
  readonly dataSource?: string;
}

/** @returns what a developer writes by hand into this application */
export function linesByHand(tree: SourceTree, options: AddOptions, facts: Facts): string {
  const { manifest, configuration, module = 'the root module', dataSource } = facts;
  const choices: Choices = { ...options, configuration };
  const imports = new Map<string, Set<string>>();
  const importer: Importer = ({ name, from }: Import) => {
    imports.set(from, (imports.get(from) ?? new Set()).add(name));
    return name;
  };
  const lists = listsOf('MIGRATIONS', options.accounts).map(one => `...${importer(one)}`);
  const modules = [
    ...(dataSource === undefined ? [typeOrmModule(choices, importer, lists)] : []),
    sessionModule(choices, importer),
    ...(options.accounts ? [accountModule(choices, importer)] : []),
  ];
  const importLines = [...imports]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([from, names]) => `import { ${[...names].sort().join(', ')} } from '${from}';`);
  const missing = manifest ? missingPackages(manifest, options.accounts) : {};
  const variables = variablesOf({ accounts: options.accounts, database: dataSource ? undefined : DATABASE_URL });
  const file = configuration ? configuration.files?.[0] : '.env';
  const steps: [applies: boolean, title: string, lines: string][] = [
    [Object.keys(missing).length > 0, 'Install', installCommand(tree, missing)],
    [true, `In ${module}`, `${importLines.join('\n')}\n\nimports: [\n${indented(modules)}\n],`],
    [
      dataSource !== undefined,
      `In the options of the data source, see ${dataSource}`,
      `autoLoadEntities: true,\nmigrations: [${lists.join(', ')}], // beside those that are there`,
    ],
    [
      true,
      `In ${file ?? 'the environment'}${configuration ? '' : ', which main.ts has to load before it imports the module'}`,
      variables.map(exampleLines).join('\n'),
    ],
  ];
  const shown = steps.filter(([applies]) => applies);
  return shown.map(([, title, lines]) => `${title}:\n\n${lines}\n`).join('\n');
}

function indented(items: readonly string[]): string {
  return items.map(item => `  ${item.replaceAll('\n', '\n  ')},`).join('\n');
}
