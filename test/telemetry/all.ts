import { importSuites } from '../support/suites.js';

await importSuites(import.meta.dirname);
