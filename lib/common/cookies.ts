/** The attributes of a `Set-Cookie` header (RFC 6265bis, section 4.1). */
export interface CookieAttributes {
  readonly path: string;
  readonly domain?: string;
  readonly secure: boolean;
  readonly sameSite: 'lax' | 'strict' | 'none';
  /** Whether scripts may read it; never for credentials. */
  readonly readable?: boolean;
}

const CAPITALIZED = { lax: 'Lax', strict: 'Strict', none: 'None' } as const;

/**
 * The longest cookie that browsers keep: name, value and attributes together (RFC 6265bis, section 5.6, counts less).
 */
export const MAX_COOKIE_LENGTH = 4_096;

/**
 * White space around a pair (RFC 6265bis, section 5.6). Not `trim()`: Node reads headers as latin1, and `trim()`
 * removes U+00A0 too. A sibling domain could set a cookie of the name "\u00A0__Host-Http-access_token", in which browsers
 * see no prefix.
 */
const isWhiteSpace = (character: string | undefined) => character === ' ' || character === '\t';

/**
 * The values of all cookies of that name. Written here because cookie libraries return one of them, and which of
 * several counts is a security decision. Tokens need no decoding. Other cookies, which may be many, are not taken
 * apart.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = [];
  if (header === undefined) return values;
  const start = `${name}=`;
  for (let at = header.indexOf(start); at >= 0; at = header.indexOf(start, at + start.length)) {
    if (!beginsPair(header, at)) continue;
    const semicolon = header.indexOf(';', at);
    let end = semicolon < 0 ? header.length : semicolon;
    while (end > at + start.length && isWhiteSpace(header[end - 1])) end--;
    const value = header.slice(at + start.length, end);
    if (!values.includes(value)) values.push(value);
  }
  return values;
}

function beginsPair(header: string, at: number): boolean {
  let before = at - 1;
  while (isWhiteSpace(header[before])) before--;
  return before < 0 || header[before] === ';';
}

/**
 * A `Set-Cookie` header. HttpOnly unless said otherwise: no script needs to read a token.
 *
 * @param maxAge seconds; undefined for a cookie that ends with the browser
 */
export function serializeCookie(
  name: string,
  value: string,
  maxAge: number | undefined,
  attributes: CookieAttributes,
): string {
  return [
    `${name}=${value}`,
    ...(maxAge === undefined ? [] : [`Max-Age=${maxAge}`]),
    ...(maxAge === 0 ? ['Expires=Thu, 01 Jan 1970 00:00:00 GMT'] : []),
    serializeAttributes(attributes),
  ].join('; ');
}

/** The attributes of a `Set-Cookie` header but its age. */
export function serializeAttributes({ path, domain, readable, secure, sameSite }: CookieAttributes): string {
  return [
    `Path=${path}`,
    ...(domain ? [`Domain=${domain}`] : []),
    ...(readable ? [] : ['HttpOnly']),
    ...(secure ? ['Secure'] : []),
    `SameSite=${CAPITALIZED[sameSite]}`,
  ].join('; ');
}
