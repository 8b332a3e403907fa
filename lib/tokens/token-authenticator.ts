import type { ClientInfo } from '../common/client-address.js';
import type { VerifiedToken } from './access-token.claims.js';

/** Decides whether an access token counts at this moment: by this application's own keys, or by another one's. */
export interface TokenAuthenticator {
  /**
   * @param client asked for only where tokens are bound to their client; left out, the binding is not checked
   * @throws SessionError for a token that does not count
   */
  authenticate(token: string, client?: () => ClientInfo): Promise<VerifiedToken>;
}
