// Runs a built sample with a PostgreSQL of its own, unless DATABASE_URL is set: `node sample/start.mjs app
// dist/main.js`.
import { join } from 'node:path';
import { withPostgres } from '../dist/schematics/database/with-postgres.command.js';

const [folder, main] = process.argv.slice(2);
// Where the data of an application lie follows from its folder.
process.chdir(join(import.meta.dirname, folder));
process.exitCode = await withPostgres(['node', main], { temporary: false });
