const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SEGMENT = /^[A-Za-z0-9_-]+$/;

/** How many low bits of the last character are unused, by the length modulo 4. */
const SPARE_BITS = [0, NaN, 4, 2];

/**
 * Whether a segment is base64url without padding and with its spare bits zero (RFC 7515, section 2; RFC 4648, section
 * 3.5). Node's decoder takes much more, so that one token would have many spellings.
 */
export function isCanonicalBase64url(segment: string): boolean {
  const spare = SPARE_BITS[segment.length % 4]!;
  if (Number.isNaN(spare) || !SEGMENT.test(segment)) return false;
  return (ALPHABET.indexOf(segment.at(-1)!) & ((1 << spare) - 1)) === 0;
}

/** A JSON object as a segment of a token. */
export function segmentOf(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The JSON object in a segment of our own spelling; undefined for any other segment. */
export function parseSegment(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    // Other spellings are ambiguous: parsers choose different values of a repeated member, and read bytes that are not
    // UTF-8 differently.
    if (typeof value !== 'object' || value === null || segmentOf(value) !== segment) return undefined;
    return value as Record<string, unknown>;
  } catch {
    // Not JSON: neither header nor claims.
    return undefined;
  }
}

/** How many base64url characters that number of bytes takes. */
export function base64urlLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}
