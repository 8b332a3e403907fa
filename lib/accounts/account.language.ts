import type { Caller } from './account.attempts.js';

// RFC 5646, section 2.1: subtags of at most eight letters and digits.
const LANGUAGE = /^[a-z]{2,8}(-[a-z0-9]{1,8}){0,3}/i;

/** The language that a client prefers: the first of its `Accept-Language`, such as `de-CH`. */
export function languageOf({ exchange }: Caller): string | undefined {
  return LANGUAGE.exec(exchange?.header('accept-language')?.trim() ?? '')?.[0];
}
