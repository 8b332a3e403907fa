const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** The headers that tell where a request comes from. */
export interface RequestOrigin {
  readonly fetchSite?: string;
  readonly origin?: string;
  readonly host?: string;
}

/**
 * Whether a request comes from a page of this site, or from no page at all. The decision table of Nest 12's
 * `app.enableCsrfProtection()`, written here because Nest 11 has none:
 *
 * | `Sec-Fetch-Site` | `Origin` | allowed |
 * |---|---|---|
 * | `same-origin`, `none` | any | yes |
 * | any other | trusted | yes |
 * | any other | any other | no |
 * | none | none | yes: not a browser |
 * | none | of `Host`, or trusted | yes |
 * | none | any other, `null` | no |
 */
export function isSameSite({ fetchSite, origin, host }: RequestOrigin, trusted: readonly string[]): boolean {
  if (fetchSite === 'same-origin' || fetchSite === 'none') return true;
  if (origin !== undefined && trusted.includes(origin)) return true;
  if (fetchSite) return false;
  if (!origin) return true;
  return host !== undefined && isOriginOf(origin, host.toLowerCase());
}

function isOriginOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  return (
    url.host !== '' && (url.host === host || (!url.port && `${url.hostname}:${DEFAULT_PORTS[url.protocol]}` === host))
  );
}
