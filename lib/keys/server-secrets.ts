import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { deriveServerKeys, type ServerKeys } from '../rules/server-keys.js';

/**
 * The server secrets and the keys derived from them.
 *
 * An application without its own secret uses a generated one, one per database. A party with write access to the
 * database can put a secret of its own there. Beside own secrets the generated one therefore counts only if the options
 * ask for it (`secret: [own, 'database']`), and only for refresh tokens and the CSRF tokens sent with those, so that
 * users stay logged in after the change.
 *
 * | member | secrets | `secret: own` | `[own, 'database']` | `'database'` or none |
 * |---|---|---|---|---|
 * | `newest` | the one under which everything new is made | own | own | generated |
 * | `accepted` | those whose refresh tokens and marker cookies are accepted | own | own, generated | generated |
 * | `trusted` | those accepted for everything else: signing keys, binding, encryption, CSRF tokens | own | own | generated |
 * | `areOwn` | whether the application has its own secret | true | true | false |
 */
@Injectable()
export class ServerSecrets {
  readonly own: readonly ServerKeys[];
  private generated?: ServerKeys;

  constructor(options: ResolvedSessionOptions) {
    this.own = options.secrets.map(deriveServerKeys);
  }

  /** @throws Error before the module has started */
  get newest(): ServerKeys {
    const newest = this.own[0] ?? this.generated;
    if (!newest) throw new Error('SessionModule has not started: await app.init() or app.listen() first');
    return newest;
  }

  get accepted(): readonly ServerKeys[] {
    return this.generated ? [...this.own, this.generated] : this.own;
  }

  get trusted(): readonly ServerKeys[] {
    return this.areOwn ? this.own : this.accepted;
  }

  get areOwn(): boolean {
    return this.own.length > 0;
  }

  /** Adds the secret that the database holds. */
  addGenerated(secret: Buffer): void {
    this.generated = deriveServerKeys(secret.toString('base64url'));
  }
}
