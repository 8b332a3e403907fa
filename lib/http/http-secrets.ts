import type { ServerKeys } from '../rules/server-keys.js';

/** The keys that CSRF tokens and marker cookies are made with. A service with `SessionVerifierModule` has none. */
export abstract class HttpSecrets {
  /** Makes new ones. */
  abstract readonly newest: ServerKeys;
  /** All that are accepted. */
  abstract readonly accepted: readonly ServerKeys[];
}
