// Runs schematics of the built package in memory, as the Nest CLI would. A process of its own, because the devkit
// requires modules that Jest cannot load.
import { HostTree } from '@angular-devkit/schematics';
import { SchematicTestRunner, UnitTestTree } from '@angular-devkit/schematics/testing/index.js';

const filesOf = tree => Object.fromEntries(tree.files.map(path => [path.slice(1), tree.readContent(path)]));

async function run({ name, files, options }) {
  const runner = new SchematicTestRunner('nestjs-jwt-session', process.argv[2]);
  const messages = [];
  runner.logger.subscribe(({ message }) => messages.push(message));
  const tree = new UnitTestTree(new HostTree());
  for (const [path, text] of Object.entries(files)) tree.create(path, text);
  try {
    const result = await runner.runSchematic(name, options, tree);
    return { files: filesOf(result), log: messages.join('\n'), tasks: runner.tasks };
  } catch (error) {
    // What it was given is what is left.
    return { files: filesOf(tree), log: messages.join('\n'), tasks: runner.tasks, refusal: error.message };
  }
}

process.on('message', async ({ id, ...job }) => process.send({ id, ...(await run(job)) }));
