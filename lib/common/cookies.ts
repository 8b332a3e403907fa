/** What a `Set-Cookie` header says beside name and value (RFC 6265bis, section 4.1). */
export interface CookieAttributes {
  readonly path: string;
  readonly domain?: string;
  readonly secure: boolean;
  readonly sameSite: 'lax' | 'strict' | 'none';
  /** Whether scripts may read it: for what is no credential. */
  readonly readable?: boolean;
}

const CAPITALIZED = { lax: 'Lax', strict: 'Strict', none: 'None' } as const;

/** What browsers take at most: name, value and attributes together (RFC 6265bis, section 5.6, counts less). */
export const MAX_COOKIE_LENGTH = 4_096;

/**
 * The values of every cookie of that name. Written here because cookie libraries answer with one of them, and which of
 * several counts is a security decision. Tokens need no decoding.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values = (header ?? '')
    .split(';')
    .map(pair => pair.trim())
    .filter(pair => pair.startsWith(`${name}=`))
    .map(pair => pair.slice(name.length + 1));
  return [...new Set(values)];
}

/** A `Set-Cookie` header. HttpOnly unless said otherwise: no script needs to read a token. */
export function serializeCookie(name: string, value: string, maxAge: number, attributes: CookieAttributes): string {
  return [
    `${name}=${value}`,
    `Max-Age=${maxAge}`,
    ...(maxAge === 0 ? ['Expires=Thu, 01 Jan 1970 00:00:00 GMT'] : []),
    `Path=${attributes.path}`,
    ...(attributes.domain ? [`Domain=${attributes.domain}`] : []),
    ...(attributes.readable ? [] : ['HttpOnly']),
    ...(attributes.secure ? ['Secure'] : []),
    `SameSite=${CAPITALIZED[attributes.sameSite]}`,
  ].join('; ');
}
