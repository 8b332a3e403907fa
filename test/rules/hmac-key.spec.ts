import { describe, expect, it } from '@jest/globals';
import { createHmac, randomBytes } from 'node:crypto';
import { HmacKey } from '../../lib/rules/hmac-key.js';

describe('HMAC-SHA-256 with a padded key', () => {
  // RFC 4231, sections 4.2 to 4.6.
  it.each<[string, Buffer, Buffer, string]>([
    [
      '1',
      Buffer.alloc(20, 0x0b),
      Buffer.from('Hi There'),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      '2',
      Buffer.from('Jefe'),
      Buffer.from('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      '3',
      Buffer.alloc(20, 0xaa),
      Buffer.alloc(50, 0xdd),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    ],
    [
      '4',
      Buffer.from(Array.from({ length: 25 }, (_, index) => index + 1)),
      Buffer.alloc(50, 0xcd),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    ],
    [
      '5, of which the first half is given',
      Buffer.alloc(20, 0x0c),
      Buffer.from('Test With Truncation'),
      'a3b6167473100ee06e0c796c2955552b',
    ],
  ])('gives the value of test case %s of RFC 4231', (_, key, message, expected) => {
    expect(new HmacKey(key).digest(message).toString('hex', 0, expected.length / 2)).toBe(expected);
  });

  it('gives what node:crypto gives, for keys and messages of every length around the blocks', () => {
    for (const keyLength of [0, 1, 31, 32, 33, 63, 64]) {
      const bytes = randomBytes(keyLength);
      const key = new HmacKey(bytes);
      for (const length of [0, 1, 53, 55, 56, 63, 64, 68, 127, 128, 191, 192, 193, 500, 3]) {
        const message = randomBytes(length);
        expect(key.digest(message)).toEqual(createHmac('sha256', bytes).update(message).digest());
      }
    }
  });

  it('gives each digest memory of its own', () => {
    const key = new HmacKey(Buffer.alloc(32, 1));
    const first = key.digest(Buffer.from('one'));
    const copy = Buffer.from(first);
    key.digest(Buffer.from('two'));
    expect(first).toEqual(copy);
  });

  it('refuses a key that would have to be hashed first', () => {
    expect(() => new HmacKey(Buffer.alloc(65))).toThrow(RangeError);
  });
});
