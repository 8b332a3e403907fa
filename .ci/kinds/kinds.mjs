import { ADDED } from './added.mjs';
import { WRITTEN } from './written.mjs';

/** By name: the application to begin with (Nest's version and module system; `none` for an empty folder), and the way. */
export const KINDS = { ...ADDED, ...WRITTEN };
