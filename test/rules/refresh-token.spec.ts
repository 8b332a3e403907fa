import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { uuidV7 } from '../../lib/common/uuid.js';
import {
  deriveSuccessor,
  encodeRefreshToken,
  MAX_GENERATION,
  newSalt,
  openRefreshToken,
  type RefreshToken,
  SALT_BYTES,
  SECRET_BYTES,
} from '../../lib/rules/refresh-token.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';

const KEYS = deriveServerKeys('the present secret of this server, long enough');
const FORMER = deriveServerKeys('a former secret of this server, long enough');
const FOREIGN = deriveServerKeys('the secret of some other server, long enough');

function token(generation = 0): RefreshToken {
  return { sessionId: uuidV7(Date.now()), generation, secret: randomBytes(SECRET_BYTES) };
}

describe('a refresh token', () => {
  it.each([0, 1, MAX_GENERATION])('is opened again at generation %d, in 92 characters', generation => {
    const given = token(generation);
    const text = encodeRefreshToken(given, KEYS);
    expect(text).toMatch(/^[\w-]{92}$/);
    expect(openRefreshToken(text, [KEYS])).toEqual({ ...given, issuer: KEYS });
  });

  it('is opened by any of the secrets, and by no other', () => {
    const text = encodeRefreshToken(token(), FORMER);
    expect(openRefreshToken(text, [KEYS, FORMER])).toBeDefined();
    expect(openRefreshToken(text, [KEYS, FOREIGN])).toBeUndefined();
    expect(openRefreshToken(text, [])).toBeUndefined();
  });

  it('is not opened where a single bit differs', () => {
    const bytes = Buffer.from(encodeRefreshToken(token(3), KEYS), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(openRefreshToken(changed.toString('base64url'), [KEYS])).toBeUndefined();
    }
  });

  it.each([
    ['empty', () => ''],
    ['shorter', (text: string) => text.slice(1)],
    ['longer', (text: string) => `${text}A`],
    ['padded', (text: string) => `${text}=`],
    ['in standard base64', (text: string) => `+${text.slice(1)}`],
    ['with a line end', (text: string) => `${text}\n`],
  ])('is not opened when it is %s', (_, change) => {
    expect(openRefreshToken(change(encodeRefreshToken(token(), KEYS)), [KEYS])).toBeUndefined();
  });
});

describe('the successor of a refresh token', () => {
  const parent = token(7);
  const salt = newSalt(KEYS, randomBytes(SALT_BYTES));

  it('is the same for the same parent and salt: a repeated request gets the same token', () => {
    const successor = deriveSuccessor(parent, salt, [FORMER, KEYS]);
    expect(successor).toMatchObject({ sessionId: parent.sessionId, generation: 8 });
    expect(successor!.secret).toHaveLength(SECRET_BYTES);
    expect(deriveSuccessor(parent, salt, [KEYS])).toEqual(successor);
  });

  it('has a fixed secret: another release derives the same one', () => {
    const fixed = { sessionId: '01890a5d-ac96-774b-bcce-b302099a8057', generation: 7, secret: Buffer.alloc(32, 7) };
    const child = deriveSuccessor(fixed, newSalt(KEYS, Buffer.alloc(SALT_BYTES, 9)), [KEYS])!;
    expect(child.secret.toString('base64url')).toBe('JZgcYTEeekkmU1ePx9_eUFfWAYlwLIUgmOy0lIuWL00');
  });

  it('does not exist for a salt that was cut or lengthened', () => {
    for (const other of [salt.subarray(0, 19), Buffer.concat([salt, Buffer.of(0)]), salt.subarray(0, 4)]) {
      expect(deriveSuccessor(parent, other, [KEYS])).toBeUndefined();
    }
  });

  it('differs with the parent, with the salt and with the server secret', () => {
    const { secret } = deriveSuccessor(parent, salt, [KEYS])!;
    const others = [
      deriveSuccessor({ ...parent, secret: randomBytes(SECRET_BYTES) }, salt, [KEYS]),
      deriveSuccessor({ ...parent, generation: 8 }, salt, [KEYS]),
      deriveSuccessor({ ...parent, sessionId: uuidV7(0) }, salt, [KEYS]),
      deriveSuccessor(parent, newSalt(KEYS, randomBytes(SALT_BYTES)), [KEYS]),
      deriveSuccessor(parent, newSalt(FORMER, salt.subarray(4)), [FORMER]),
    ];
    for (const other of others) expect(other!.secret.equals(secret)).toBe(false);
  });

  it('is not known without the server secret that the salt names', () => {
    expect(deriveSuccessor(parent, salt, [FORMER, FOREIGN])).toBeUndefined();
  });
});
