import { domainToASCII } from 'node:url';

/** RFC 5321, section 4.5.3.1.3, without the angle brackets. */
export const MAX_EMAIL_LENGTH = 254;

/**
 * What makes two addresses the same: case and Unicode's spellings aside. Different people's addresses may meet in one key
 * (`ſ` becomes `s`), so that mail goes to the address an account has, and never to the one that a request has named.
 */
export function emailKey(email: string): string {
  const at = email.lastIndexOf('@');
  const domain = domainToASCII(email.slice(at + 1)) || email.slice(at + 1);
  return `${email.slice(0, at)}@${domain}`.normalize('NFKC').toLowerCase();
}
