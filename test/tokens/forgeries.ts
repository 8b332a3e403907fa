import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  es256,
  hs256,
  jws,
  type Members,
  ownKey,
  partsOf,
  rs256,
  type Signature,
  signatureOf,
  signed,
} from '../support/forged-token.js';
import type { GeneratedAlgorithm } from '../../lib/options/token-options.js';
import type { TestApp } from '../support/test-app.js';

const STRANGER = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const STRANGER_RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
const ZERO = Buffer.alloc(32);
const ONE = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);

/** What a forger has: a genuine token, the public key, a server of their own, and here and there our private key. */
export interface Workshop {
  readonly genuine: string;
  readonly header: Members;
  readonly payload: Members;
  readonly algorithm: GeneratedAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Signs with the application's own key: nothing but the check under test can refuse the token. */
  readonly own: Signature;
  /** A URL whose owner learns of every request. */
  readonly trap: string;
}

export async function openWorkshop(test: TestApp, trap: string): Promise<Workshop> {
  const { accessToken } = await test.sessions.logIn('ada', { transport: 'bearer', claims: { role: 'user' } });
  const { privateKey, algorithm: ownAlgorithm } = ownKey(test);
  const algorithm = ownAlgorithm as GeneratedAlgorithm;
  const publicKey = createPublicKey(privateKey);
  return {
    genuine: accessToken!,
    ...partsOf(accessToken!),
    algorithm,
    privateKey,
    publicKey,
    own: signatureOf(algorithm, privateKey),
    trap,
  };
}

export type Forgery = (workshop: Workshop) => string;

export const withHeader =
  (change: Members): Forgery =>
  ({ header, payload, own }) =>
    jws({ ...header, ...change }, payload, own);

const withSignature =
  (signature: (genuine: Buffer) => Buffer): Forgery =>
  ({ genuine }) => {
    const [header, payload, segment] = genuine.split('.') as [string, string, string];
    return signed(`${header}.${payload}`, () => signature(Buffer.from(segment, 'base64url')));
  };

const byHmac =
  (alg: string, secret: (publicKey: KeyObject) => string | Buffer): Forgery =>
  ({ header, payload, publicKey }) =>
    jws({ ...header, alg }, { ...payload, sub: 'grace' }, hs256(secret(publicKey)));

/** A header that tells where the key is, once signed by that key and once by ours. */
const keyInHeader = (name: string, member: (workshop: Workshop) => unknown): [string, Forgery][] => [
  [
    `J02: ${name}, signed by the key in it`,
    workshop => jws({ ...workshop.header, [name]: member(workshop) }, workshop.payload, es256(STRANGER.privateKey)),
  ],
  [
    `J02: ${name} without kid, signed by the key in it`,
    workshop => {
      const { kid: _, ...header } = workshop.header;
      return jws({ ...header, [name]: member(workshop) }, workshop.payload, es256(STRANGER.privateKey));
    },
  ],
  [`J02: ${name}, signed by our own key`, workshop => withHeader({ [name]: member(workshop) })(workshop)],
];

const strangerJwk = { ...STRANGER.publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' };

/** Tokens whose header or signature is wrong; none of them needs a query to be refused. */
export const FORGERIES: readonly [string, Forgery][] = [
  ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg): [string, Forgery][] => [
    [
      `J01: alg "${alg}" with an empty signature`,
      ({ header, payload }) => jws({ ...header, alg }, payload, () => Buffer.alloc(0)),
    ],
    [`J01: alg "${alg}" with our own signature`, withHeader({ alg })],
  ]),
  ...['HS256', 'ES256'].flatMap((alg): [string, Forgery][] => [
    [
      `J01: ${alg} with an HMAC by the public key as PEM`,
      byHmac(alg, key => key.export({ type: 'spki', format: 'pem' }) as string),
    ],
    [
      `J01: ${alg} with an HMAC by the public key as DER`,
      byHmac(alg, key => key.export({ type: 'spki', format: 'der' }) as Buffer),
    ],
    [
      `J01: ${alg} with an HMAC by the public key as JWK`,
      byHmac(alg, key => JSON.stringify(key.export({ format: 'jwk' }))),
    ],
  ]),
  ['J01: ES384 in the header, our own ES256 signature', withHeader({ alg: 'ES384' })],
  ['J01: alg is an array', withHeader({ alg: ['ES256'] })],
  [
    'J01: RS256 by an RSA key under our kid',
    ({ header, payload }) => jws({ ...header, alg: 'RS256' }, payload, rs256(STRANGER_RSA.privateKey)),
  ],
  [
    'a real signature of another key under our kid',
    ({ header, payload }) => jws(header, payload, es256(STRANGER.privateKey)),
  ],
  [
    'scenario 4: a changed payload under a genuine signature',
    ({ genuine, payload }) => {
      const [header, , signature] = genuine.split('.');
      const changed = Buffer.from(JSON.stringify({ ...payload, claims: { role: 'admin' } })).toString('base64url');
      return `${header}.${changed}.${signature}`;
    },
  ],
  ...[undefined, null, 7, ['kid'], { kid: 'kid' }].map((kid): [string, Forgery] => [
    `J05: kid ${JSON.stringify(kid)}`,
    withHeader({ kid }),
  ]),
  ...keyInHeader('jwk', () => strangerJwk),
  ...keyInHeader('jku', ({ trap }) => `${trap}/jku.json`),
  ...keyInHeader('x5u', ({ trap }) => `${trap}/x5u.pem`),
  ...keyInHeader('x5c', () => ['MIIB']),
  ['J05: crit', withHeader({ crit: ['exp'], exp: 9_999_999_999 })],
  ['J05: an empty crit', withHeader({ crit: [] })],
  ['J05: b64 false', withHeader({ crit: ['b64'], b64: false })],
  ['J05: b64 true', withHeader({ b64: true })],
  ['J05: zip', withHeader({ zip: 'DEF' })],
  ...['JWT', 'jwt', 'AT+JWT', 'application/at+jwt', 'dpop+jwt', '', null, undefined, 5, ['at+jwt']].map(
    (typ): [string, Forgery] => [`J04: typ ${JSON.stringify(typ)}`, withHeader({ typ })],
  ),
  ...['alg', 'typ', 'kid'].flatMap((name): [string, Forgery][] => [
    [
      `J05: ${name} twice, ours last`,
      ({ header, payload, own }) => jws(JSON.stringify(header).replace('{', `{"${name}":"none",`), payload, own),
    ],
    [
      `J05: ${name} twice, the same`,
      ({ header, payload, own }) =>
        jws(JSON.stringify(header).replace('{', `{"${name}":${JSON.stringify(header[name])},`), payload, own),
    ],
  ]),
  ...['[]', 'null', '"at+jwt"', '1', '{', '', '{"alg":"ES256"}x'].map((header): [string, Forgery] => [
    `J05: ${JSON.stringify(header)} for a header`,
    ({ payload, own }) => jws(header, payload, own),
  ]),
  ['J05: an empty signature', withSignature(() => Buffer.alloc(0))],
  ['J05: a signature that is too short', withSignature(signature => signature.subarray(0, 63))],
  ['J05: a signature that is too long', withSignature(signature => Buffer.concat([signature, Buffer.of(0)]))],
  ['J05: r and s zero', withSignature(() => Buffer.concat([ZERO, ZERO]))],
  ['J05: r zero', withSignature(signature => Buffer.concat([ZERO, signature.subarray(32)]))],
  ['J05: s zero', withSignature(signature => Buffer.concat([signature.subarray(0, 32), ZERO]))],
  ['J05: r and s the order of the curve', withSignature(() => Buffer.concat([ORDER, ORDER]))],
  ['J05: r and s one', withSignature(() => Buffer.concat([ONE, ONE]))],
];

/** Our own signature in DER, as openssl makes it. */
export const derSigned = (test: TestApp, { header, payload }: Workshop) =>
  jws(header, payload, es256(ownKey(test).privateKey, 'der'));
