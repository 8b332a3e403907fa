/** Schemes whose pages belong to no application: anybody can make a page of them. */
const COMMON_SCHEMES = ['file:', 'data:', 'blob:', 'about:', 'javascript:'];

/** Whether a text is an origin of http or https as browsers write it (RFC 6454, section 6.2). */
export function isWebOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/**
 * Whether a text is the origin of an application's own scheme, such as `capacitor://localhost` or
 * `chrome-extension://<id>`. No website has such an origin.
 */
export function isAppOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, host, origin } = new URL(text);
  // WHATWG URLs give other schemes than those of the web the opaque origin.
  return origin === 'null' && host !== '' && !COMMON_SCHEMES.includes(protocol) && text === `${protocol}//${host}`;
}
