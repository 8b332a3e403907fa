const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SEGMENT = /^[A-Za-z0-9_-]+$/;

/** How many low bits of the last character carry nothing, by the length modulo 4. */
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

/** The JSON object in a segment that is spelled as we spell it, undefined for any other. */
export function parseSegment(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    // Spelled as we spell it: of a member that stands twice another parser could take the other value, and bytes that
    // are no UTF-8 are read differently by each.
    if (typeof value !== 'object' || value === null || segmentOf(value) !== segment) return undefined;
    return value as Record<string, unknown>;
  } catch {
    // Not JSON: neither header nor claims.
    return undefined;
  }
}

/** How many characters so many bytes take. */
export function base64urlLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}
