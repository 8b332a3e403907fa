import { randomBytes } from './random.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The nil UUID (RFC 9562, section 5.9), which comes before all others. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function uuidToBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Writes the 16 bytes of a UUID. */
export function writeUuid(uuid: string, bytes: Buffer, offset: number): void {
  bytes.write(uuid.replaceAll('-', ''), offset, 'hex');
}

export function uuidFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * A UUID version 7 (RFC 9562, section 5.7): ordered by time, so that new rows lie side by side in the index.
 *
 * @param randA the 12 bits of `rand_a`; random unless given
 */
export function uuidV7(now: number, randA?: number): string {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes.set(randomBytes(10), 6);
  if (randA !== undefined) bytes.writeUInt16BE(randA, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidFromBytes(bytes);
}

/** The time in a UUID version 7, in milliseconds since the epoch. */
export function timeOfUuid(uuid: string): number {
  return uuidToBytes(uuid).readUIntBE(0, 6);
}
