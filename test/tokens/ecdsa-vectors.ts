import { generateKeyPairSync, sign } from 'node:crypto';
import { jws, partsOf } from '../support/forged-token.js';
import type { Forgery, Workshop } from './forgeries.js';

/** Length of a coordinate, order and field prime of each algorithm's curve (FIPS 186-4, D.1.2). */
const CURVES = {
  ES256: {
    bytes: 32,
    digest: 'sha256',
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    prime: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  },
  ES384: {
    bytes: 48,
    digest: 'sha384',
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    prime: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
  },
} as const;

const curveOf = ({ algorithm }: Workshop) => CURVES[algorithm as keyof typeof CURVES];

interface Numbers {
  readonly r: bigint;
  readonly s: bigint;
  readonly order: bigint;
  readonly prime: bigint;
  readonly ones: bigint;
}

/** The token with its signature's bytes changed. */
function withBytes(token: string, change: (signature: Buffer) => Buffer): string {
  const [header, payload, signature] = partsOf(token).segments;
  return `${header}.${payload}.${change(Buffer.from(signature, 'base64url')).toString('base64url')}`;
}

const bytes =
  (change: (r: Buffer, s: Buffer) => Buffer[]): Forgery =>
  workshop => {
    const half = curveOf(workshop).bytes;
    return withBytes(workshop.genuine, raw => Buffer.concat(change(raw.subarray(0, half), raw.subarray(half))));
  };

const numbers =
  (change: (numbers: Numbers) => [r: bigint, s: bigint]): Forgery =>
  workshop => {
    const { bytes: length, order, prime } = curveOf(workshop);
    const ones = (1n << BigInt(8 * length)) - 1n;
    return withBytes(workshop.genuine, raw => {
      const [r, s] = [raw.subarray(0, length), raw.subarray(length)].map(half => BigInt(`0x${half.toString('hex')}`));
      const changed = change({ r: r!, s: s!, order, prime, ones });
      return Buffer.from(changed.map(number => number.toString(16).padStart(2 * length, '0')).join(''), 'hex');
    });
  };

/** n − s in the place of s: the equation holds for both, so anybody can write the one for the other. */
export const mirrored: Forgery = numbers(({ r, s, order }) => [r, order - s]);

const EDGES: [string, (numbers: Numbers) => bigint][] = [
  ['0', () => 0n],
  ['1', () => 1n],
  ['n − 1', ({ order }) => order - 1n],
  ['n', ({ order }) => order],
  ['n + 1', ({ order }) => order + 1n],
  ['p', ({ prime }) => prime],
  ['all ones', ({ ones }) => ones],
];

/** Signs until a signature begins with a zero byte, and leaves that out: the number stays the same. */
const withoutLeadingZero: Forgery = ({ header, payload, own }) => {
  let token: string;
  do token = jws(header, payload, own);
  while (Buffer.from(partsOf(token).segments[2], 'base64url')[0] !== 0);
  return withBytes(token, raw => raw.subarray(1));
};

/** A right signature in DER (RFC 3279, section 2.2.3), changed. */
const der =
  (change: (signature: Buffer, length: number) => Buffer): Forgery =>
  workshop => {
    const { bytes: length, digest } = curveOf(workshop);
    return jws(workshop.header, workshop.payload, input =>
      change(sign(digest, input, { key: workshop.privateKey, dsaEncoding: 'der' }), 2 * length),
    );
  };

const digest =
  (name: string): Forgery =>
  ({ header, payload, privateKey }) =>
    jws(header, payload, input => sign(name, input, { key: privateKey, dsaEncoding: 'ieee-p1363' }));

/** A stranger's key under our `kid`. */
const curve =
  (namedCurve: string): Forgery =>
  workshop => {
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve });
    const { header, payload } = workshop;
    return jws(header, payload, input => sign(curveOf(workshop).digest, input, { key, dsaEncoding: 'ieee-p1363' }));
  };

const ZERO = Buffer.alloc(1);

/**
 * Signatures that are wrong, or not spelled as RFC 7518, section 3.4, says: r and s, each at the curve's full length.
 */
export const ECDSA_VECTORS: readonly [string, Forgery][] = [
  ...EDGES.flatMap(([edge, of]): [string, Forgery][] => [
    [`r ${edge}`, numbers(it => [of(it), it.s])],
    [`s ${edge}`, numbers(it => [it.r, of(it)])],
    ...EDGES.map(([other, otherOf]): [string, Forgery] => [
      `r ${edge}, s ${other}`,
      numbers(it => [of(it), otherOf(it)]),
    ]),
  ]),
  ['r and s swapped', numbers(({ r, s }) => [s, r])],
  ['n − r', numbers(({ r, s, order }) => [order - r, s])],
  ['n − r and n − s', numbers(({ r, s, order }) => [order - r, order - s])],
  ['r + 1', numbers(({ r, s }) => [r + 1n, s])],
  ['s − 1', numbers(({ r, s }) => [r, s - 1n])],
  ['r twice', numbers(({ r }) => [r, r])],
  ['a leading zero left out', withoutLeadingZero],
  ['a leading zero for each number', bytes((r, s) => [ZERO, r, ZERO, s])],
  ['a leading zero for the whole', bytes((r, s) => [ZERO, r, s])],
  ['a trailing zero', bytes((r, s) => [r, s, ZERO])],
  ['r alone', bytes(r => [r])],
  ['s alone', bytes((_r, s) => [s])],
  ['one byte', bytes(r => [r.subarray(0, 1)])],
  ['a byte less', bytes((r, s) => [r, s.subarray(0, -1)])],
  ['the signature twice', bytes((r, s) => [r, s, r, s])],
  ['little-endian numbers', bytes((r, s) => [r, s].map(number => Buffer.from(number.toReversed())))],
  ['hexadecimal', bytes((r, s) => [r, s].map(number => Buffer.from(number.toString('hex'))))],
  ['DER', der(signature => signature)],
  ['DER cut to the right length', der((signature, length) => signature.subarray(0, length))],
  ['DER with the long form of a length', der(([tag, ...rest]) => Buffer.from([tag!, 0x81, ...rest]))],
  ...['sha1', 'sha224', 'sha512'].map((name): [string, Forgery] => [`a digest by ${name}`, digest(name)]),
  ...['P-256', 'P-384', 'P-521', 'secp256k1'].map((name): [string, Forgery] => [
    `a stranger's key of ${name}`,
    curve(name),
  ]),
];
