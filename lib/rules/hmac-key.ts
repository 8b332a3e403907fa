import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Longer messages are copied. */
const MESSAGE_BYTES = 192;

/**
 * A key of HMAC-SHA-256 (RFC 2104). The padded key is kept, so that a digest is two one-shot hashes, which take half of
 * the time of an `Hmac` object on Node 20 and a twentieth on Node 24. A refresh makes three.
 */
export class HmacKey {
  /** The inner padding, and room for a message. */
  private readonly inner: Buffer;
  /** The outer padding, and room for the inner digest. */
  private readonly outer: Buffer;

  /** @param key of at most 64 bytes */
  constructor(key: Buffer) {
    if (key.length > BLOCK_BYTES) throw new RangeError('the key is longer than a block of SHA-256');
    this.inner = padded(key, 0x36, MESSAGE_BYTES);
    this.outer = padded(key, 0x5c, DIGEST_BYTES);
  }

  digest(message: Buffer): Buffer {
    this.outer.write(hash('sha256', this.innerBlocks(message), 'hex'), BLOCK_BYTES, 'hex');
    // As text first: node:crypto allocates memory for each buffer, which takes longer than the hash.
    return Buffer.from(hash('sha256', this.outer, 'hex'), 'hex');
  }

  private innerBlocks(message: Buffer): Buffer {
    if (message.length > MESSAGE_BYTES) return Buffer.concat([this.inner.subarray(0, BLOCK_BYTES), message]);
    this.inner.set(message, BLOCK_BYTES);
    return this.inner.subarray(0, BLOCK_BYTES + message.length);
  }
}

function padded(key: Buffer, padding: number, room: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES + room, padding);
  key.forEach((byte, index) => (block[index] = byte ^ padding));
  return block;
}
