/**
 * Turns passwords into what the database keeps. Override the provider to bring another one, or to read older hashes.
 */
export abstract class PasswordHasher {
  abstract hash(password: string): Promise<string>;

  abstract verify(hash: string, password: string): Promise<boolean>;

  /** Whether a hash was made with other parameters, or another pepper, than `hash` would use now. */
  abstract needsRehash(hash: string): boolean;
}

/**
 * The form in which passwords are counted, compared and hashed: keyboards differ in how they write the same characters
 * (NIST SP 800-63B-4, section 3.1.1.2).
 */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}
