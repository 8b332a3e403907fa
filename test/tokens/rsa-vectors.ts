import { constants, createHash, generateKeyPairSync, type KeyObject, privateEncrypt, sign } from 'node:crypto';
import { jws, type Members, partsOf, type Signature } from '../support/forged-token.js';
import type { Forgery, Workshop } from './forgeries.js';

const LENGTH = 256;
const STRANGER = generateKeyPairSync('rsa', { modulusLength: 2048 });

const numberOf = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);
const bytesOf = (number: bigint) => Buffer.from(number.toString(16).padStart(2 * LENGTH, '0'), 'hex');
const modulusOf = ({ publicKey }: Workshop) =>
  numberOf(Buffer.from(publicKey.export({ format: 'jwk' }).n!, 'base64url'));

const bytes =
  (change: (signature: Buffer, modulus: bigint) => Buffer): Forgery =>
  workshop =>
    jws(workshop.header, workshop.payload, input => change(workshop.own(input), modulusOf(workshop)));

/** Signs claims that differ in a note until a signature is as wanted, and changes that one. */
const firstOf =
  (
    isWanted: (signature: Buffer, modulus: bigint) => boolean,
    change: (s: Buffer, modulus: bigint) => Buffer,
  ): Forgery =>
  workshop => {
    const modulus = modulusOf(workshop);
    for (let note = 0; ; note++) {
      const payload: Members = { ...workshop.payload, note };
      const signature = Buffer.from(partsOf(jws(workshop.header, payload, workshop.own)).segments[2], 'base64url');
      if (isWanted(signature, modulus)) return jws(workshop.header, payload, () => change(signature, modulus));
    }
  };

const signedBy =
  (signature: (key: KeyObject) => Signature): Forgery =>
  ({ header, payload, privateKey }) =>
    jws(header, payload, signature(privateKey));

const pkcs1 =
  (digest: string): ((key: KeyObject) => Signature) =>
  key =>
  input =>
    sign(digest, input, key);

const pss =
  (saltLength: number, digest = 'sha256'): ((key: KeyObject) => Signature) =>
  key =>
  input =>
    sign(digest, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

/** The bytes before the hash in PKCS #1 v1.5 (RFC 8017, section 9.2, note 1). */
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const WITHOUT_NULL = Buffer.from('302f300b06096086480165030402010420', 'hex');
const SHA_1 = Buffer.from('3021300906052b0e03021a05000414', 'hex');

/** 00 · type · padding to the full length · 00 · content · garbage. */
function block(content: Buffer, { type = 1, padding = 0xff, garbage = 0 } = {}): Buffer {
  const fill = Buffer.alloc(LENGTH - 3 - content.length - garbage, padding);
  return Buffer.concat([Buffer.of(0, type), fill, Buffer.of(0), content, Buffer.alloc(garbage, 0x5a)]);
}

/** The private operation on a block of our own making: no signature library would make these. */
const blockOf = (make: (hash: Buffer) => Buffer): Forgery =>
  signedBy(key => input => {
    const hash = createHash('sha256').update(input).digest();
    return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, make(hash));
  });

/** The control: made by hand in the right way, it is an RS256 signature. */
export const handMade = blockOf(hash => block(Buffer.concat([DIGEST_INFO, hash])));

/** Signatures that neither RS256 nor PS256 takes (RFC 7518, sections 3.3 and 3.5). */
const RSA_VECTORS: readonly [string, Forgery][] = [
  ['0', bytes(() => bytesOf(0n))],
  ['1', bytes(() => bytesOf(1n))],
  ['n − 1', bytes((_signature, n) => bytesOf(n - 1n))],
  ['n', bytes((_signature, n) => bytesOf(n))],
  ['all ones', bytes(() => Buffer.alloc(LENGTH, 0xff))],
  ['n − s', bytes((signature, n) => bytesOf(n - numberOf(signature)))],
  [
    's + n, the same number to the modulus',
    firstOf(
      (signature, n) => numberOf(signature) + n < 1n << 2048n,
      (signature, n) => bytesOf(numberOf(signature) + n),
    ),
  ],
  [
    'a leading zero left out',
    firstOf(
      signature => signature[0] === 0,
      signature => signature.subarray(1),
    ),
  ],
  ['a leading zero', bytes(signature => Buffer.concat([Buffer.alloc(1), signature]))],
  ['a trailing zero', bytes(signature => Buffer.concat([signature, Buffer.alloc(1)]))],
  ['a byte less', bytes(signature => signature.subarray(0, -1))],
  ['one byte', bytes(signature => signature.subarray(0, 1))],
  ['the signature twice', bytes(signature => Buffer.concat([signature, signature]))],
  ['little-endian', bytes(signature => Buffer.from(signature.toReversed()))],
  ['PKCS #1 v1.5 with SHA-1', signedBy(pkcs1('sha1'))],
  ['PKCS #1 v1.5 with SHA-384', signedBy(pkcs1('sha384'))],
  ['PKCS #1 v1.5 with SHA-512', signedBy(pkcs1('sha512'))],
  ['PSS with SHA-384', signedBy(pss(48, 'sha384'))],
  ['PSS without salt', signedBy(pss(0))],
  ['PSS with 20 bytes of salt', signedBy(pss(20))],
  ['PSS with all the salt that fits', signedBy(pss(constants.RSA_PSS_SALTLEN_MAX_SIGN))],
  ["a stranger's PKCS #1 v1.5", signedBy(() => pkcs1('sha256')(STRANGER.privateKey))],
  ["a stranger's PSS", signedBy(() => pss(32)(STRANGER.privateKey))],
  ['a block of type 0', blockOf(hash => block(Buffer.concat([DIGEST_INFO, hash]), { type: 0, padding: 0 }))],
  ['a block of type 2', blockOf(hash => block(Buffer.concat([DIGEST_INFO, hash]), { type: 2 }))],
  ['padding that is not all ones', blockOf(hash => block(Buffer.concat([DIGEST_INFO, hash]), { padding: 0xfe }))],
  [
    'short padding and garbage behind the hash',
    blockOf(hash => block(Buffer.concat([DIGEST_INFO, hash]), { garbage: 194 })),
  ],
  ['no NULL in the algorithm identifier', blockOf(hash => block(Buffer.concat([WITHOUT_NULL, hash])))],
  ['the hash without its algorithm', blockOf(hash => block(hash))],
  ['the algorithm of SHA-1', blockOf(hash => block(Buffer.concat([SHA_1, hash.subarray(0, 20)])))],
];

export const RSA_VECTORS_OF: Record<'RS256' | 'PS256', readonly [string, Forgery][]> = {
  RS256: [...RSA_VECTORS, ['PSS in the place of PKCS #1 v1.5', signedBy(pss(32))]],
  PS256: [...RSA_VECTORS, ['PKCS #1 v1.5 in the place of PSS', signedBy(pkcs1('sha256'))]],
};
