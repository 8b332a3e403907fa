import { domainToASCII, domainToUnicode } from 'node:url';

/** RFC 5321, section 4.5.3.1.3, without the angle brackets. */
export const MAX_EMAIL_LENGTH = 254;

/** Two addresses with the same key differ only in case and in the spelling of an international domain. */
export function emailKey(email: string): string {
  const [local, domain] = split(email);
  return `${local}@${domainToASCII(domain) || domain}`.normalize('NFKC').toLowerCase();
}

/**
 * The address in Unicode's form NFC, in which accounts keep it. Keyboards write the composed or the decomposed form;
 * any other text is left as it is, and `isUnambiguous` refuses it.
 */
export function toNormalForm(email: string): string {
  return email === email.normalize('NFD') ? email.normalize('NFC') : email;
}

/**
 * Whether the address differs from its key in case alone. With any other difference (`ſ` and `s`, `K` as KELVIN SIGN,
 * invisible characters in the domain) it would have the key of another person's address, who could then not register.
 */
export function isUnambiguous(email: string): boolean {
  const [local, domain] = split(email);
  const ascii = domainToASCII(domain);
  const isDomain = ascii !== '' && [ascii, domainToUnicode(ascii)].includes(domain.toLowerCase());
  return isDomain && email === email.normalize('NFC') && local === local.normalize('NFKC');
}

function split(email: string): [local: string, domain: string] {
  const at = email.lastIndexOf('@');
  return [email.slice(0, at), email.slice(at + 1)];
}
