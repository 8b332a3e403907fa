import { fileURLToPath } from 'node:url';

/**
 * The folder of the package, with a slash at its end. Before a spec runs that imports this constant, also through other
 * files, `dist` is built (`prepare.mjs`).
 */
export const BUILT_PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
