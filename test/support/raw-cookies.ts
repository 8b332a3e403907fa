import { ACCESS_COOKIE, type Answer, REFRESH_COOKIE, send } from './client.js';

export interface Tokens {
  readonly accessToken?: string;
  readonly refreshToken?: string;
}

/** What a service call of `logIn` without an exchange answers, all of it present. */
export type Issued = Required<Tokens> & { readonly session: { readonly id: string } };

/** A `Cookie` header with any number of cookies of each name, in this order. */
export function cookieHeader(access: readonly string[], refresh: readonly string[]): string {
  return [
    ...access.map(token => `${ACCESS_COOKIE}=${token}`),
    ...refresh.map(token => `${REFRESH_COOKIE}=${token}`),
  ].join('; ');
}

export function postWithCookies(
  url: string,
  access: readonly string[],
  refresh: readonly string[],
  body?: unknown,
): Promise<Answer> {
  return send(url, { method: 'POST', headers: { cookie: cookieHeader(access, refresh) }, body });
}
