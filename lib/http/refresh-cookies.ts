import type { ServerSecrets } from '../keys/server-secrets.js';
import { type OpenedRefreshToken, openRefreshToken } from '../rules/refresh-token.js';
import { isMarkerOf, isMarkerOfPath } from './session-marker.js';

/** The refresh and marker cookies of one request. Each token is authenticated once. */
export class RefreshCookies {
  private openedTokens?: readonly OpenedRefreshToken[];

  /**
   * @param tokens more than one where a sibling domain has planted a cookie, or a deployment has moved it
   * @param markers more than one where a browser sends the cookie several times
   */
  constructor(
    readonly tokens: readonly string[],
    private readonly markers: readonly string[],
    private readonly secrets: ServerSecrets,
  ) {}

  /** The tokens that this application has issued. */
  get opened(): readonly OpenedRefreshToken[] {
    const { accepted } = this.secrets;
    return (this.openedTokens ??= this.tokens
      .map(text => openRefreshToken(text, accepted))
      .filter(token => token !== undefined));
  }

  /** The tokens whose session the marker cookie names. */
  get marked(): readonly OpenedRefreshToken[] {
    return this.opened.filter(({ sessionId }) =>
      this.markers.some(marker => isMarkerOf(marker, sessionId, this.secrets)),
    );
  }

  /**
   * Whether a deployment has moved the refresh cookie since it was set: several came, or the marker names another path.
   * Another application of the domain may use the same name: its cookies are not authentic, and are left alone.
   */
  areMovedFrom(refreshPath: string): boolean {
    if (this.tokens.length === 0) return false;
    const isElsewhere = this.markers.length > 0 && !this.markers.some(marker => isMarkerOfPath(marker, refreshPath));
    if (this.tokens.length < 2 && !isElsewhere) return false;
    return this.opened.length > 1 || (isElsewhere && this.marked.length > 0);
  }
}
