import {
  arrayOf,
  Check,
  CheckGroup,
  matching,
  oneOf,
  type OptionCheck,
  pattern,
  trueOrFalse,
} from '../common/option-checks.js';
import { type Given, OptionGroup } from '../common/options.js';
import { isAppOrigin, isWebOrigin } from '../common/origins.js';

const origin = matching(
  value => typeof value === 'string' && !value.includes('*') && (isWebOrigin(value) || isAppOrigin(value)),
  "write each origin as 'https://host', 'https://host:port' or 'capacitor://localhost', without a path or a wildcard",
);

/** The name of a cookie without its prefix (RFC 6265, section 4.1.1). */
const cookieName: OptionCheck = value => {
  if (typeof value !== 'string' || !/^[!#$%&'*+.^`|~\w-]+$/.test(value)) {
    return 'write a cookie name (letters, digits, _ and -)';
  }
  return /^__(host|secure|http)-/i.test(value)
    ? 'leave out the prefix, such as __Host-Http- or __Secure-: it is added where it applies'
    : undefined;
};

export class CookieSettings extends OptionGroup {
  /** The `Secure` attribute. Without it the cookie names have no prefix; for development on plain http only. */
  @Check(trueOrFalse())
  secure = true;

  /** `SameSite` of both cookies. Default: Lax for the access token and Strict for the refresh token. */
  @Check(oneOf(['lax', 'strict', 'none']))
  sameSite?: 'lax' | 'strict' | 'none';

  /** The `Domain` attribute. With it the access cookie cannot have the prefix `__Host-Http-`. */
  @Check(pattern(/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i, "write a host name such as 'example.com'"))
  domain?: string;

  /** Name of the access-token cookie, without prefix. */
  @Check(cookieName)
  accessName = 'access_token';

  /** Name of the refresh-token cookie, without prefix. */
  @Check(cookieName)
  refreshName = 'refresh_token';

  /** `Path` of the refresh-token cookie, if a proxy strips a prefix. Default: where the controller is mounted. */
  @Check(pattern(/^\/[^;,\s]*$/, "write an absolute path such as '/api/session'"))
  refreshPath?: string;
}

/** How tokens travel, and which pages may send them. */
export class TransportSettings extends OptionGroup {
  /** How tokens travel: `cookie`, `bearer`, or `both`, where the client asks for bearer at login. */
  @Check(oneOf(['cookie', 'bearer', 'both']))
  transport: 'cookie' | 'bearer' | 'both' = 'both';

  @CheckGroup()
  cookies = new CookieSettings();

  /**
   * Protects cookie-authenticated requests against other sites: by Fetch Metadata and `Origin`, by a token that the
   * page reads from a cookie and sends as a header, or by both.
   */
  @Check(oneOf(['origin', 'token', 'both', 'off']))
  csrf: 'origin' | 'token' | 'both' | 'off' = 'origin';

  /**
   * Other origins whose pages may send unsafe requests with cookies, such as `https://admin.example.com`. An origin of
   * an application's own scheme, such as `capacitor://localhost`, may also ask for bearer tokens.
   */
  @Check(arrayOf(origin))
  trustedOrigins: readonly string[] = [];
}

export interface CookieOptions extends Given<CookieSettings> {}
