import { cookieValues } from '../common/cookies.js';
import type { SessionExchange } from './exchange.js';

/** The name that a cookie had before version 1.0.0, which is read in 1.0 and no longer in 1.1. */
function formerNameOf(name: string): string | undefined {
  return name.startsWith('__Host-Http-') ? name.replace('__Host-Http-', '__Host-') : undefined;
}

/** The former name of a cookie, where a request has a cookie of that name. */
export function formerCookieOf({ cookies }: SessionExchange, name: string): string | undefined {
  const former = formerNameOf(name);
  return former !== undefined && cookieValues(cookies, former).length > 0 ? former : undefined;
}

/**
 * The values of a cookie under its present name, else under its former one. A script can plant the former one in a
 * browser that is logged out: where both come, the present one alone counts.
 */
export function presentOrFormer({ cookies }: SessionExchange, name: string): string[] {
  const values = cookieValues(cookies, name);
  if (values.length > 0) return values;
  const former = formerNameOf(name);
  return former === undefined ? [] : cookieValues(cookies, former);
}
