import type { ClientInfo } from '../common/client-address.js';
import type { UserSession } from '../session.types.js';

/** Decides whether an access token is valid now: by the keys of this application, or by those of another one. */
export interface TokenAuthenticator {
  /**
   * The session of a valid token.
   *
   * @param client asked for only where tokens are bound to their client; left out, the binding is not checked
   * @throws SessionError for a token that is not valid
   */
  authenticate(token: string, client?: () => ClientInfo): Promise<UserSession>;
}
