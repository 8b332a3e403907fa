import { createHmac, type KeyObject } from 'node:crypto';
import { type Content, jws, type Members, partsOf, segment } from '../support/forged-token.js';
import { type Forgery, withHeader, type Workshop } from './forgeries.js';

type Vector = [string, Forgery];

/** Signed by our own key, so that the header alone can be what is refused. */
const header =
  (change: (header: Members) => Content): Forgery =>
  ({ header: ours, payload, own }) =>
    jws(change(ours), payload, own);

const text = (change: (json: string) => Content): Forgery => header(ours => change(JSON.stringify(ours)));

/** Every way to write `none` in small and capital letters. */
const NONES = Array.from({ length: 16 }, (_, capitals) =>
  [...'none'].map((letter, index) => (capitals & (1 << index) ? letter.toUpperCase() : letter)).join(''),
);

const unsigned = (alg: unknown, signature = Buffer.alloc(0)): Forgery => {
  return ({ header: ours, payload }) => jws({ ...ours, alg }, { ...payload, sub: 'grace' }, () => signature);
};

const ALGORITHMS: readonly Vector[] = [
  ...NONES.flatMap((alg): Vector[] => [
    [`alg ${alg} without a signature`, unsigned(alg)],
    [`alg ${alg} with any signature`, unsigned(alg, Buffer.alloc(64, 1))],
    [`alg ${alg} with our own signature`, withHeader({ alg })],
  ]),
  ['our alg without a signature', ({ header: ours, payload }) => jws(ours, payload, () => Buffer.alloc(0))],
  ...[' none', 'none\0', 'NONE ', 'nonе', 'null', 'HS256', 'HS384', 'HS512', 'RS384', 'RS512', 'PS384', 'PS512'].map(
    (alg): Vector => [`alg ${JSON.stringify(alg)}`, withHeader({ alg })],
  ),
  ...['ES512', 'ES256K', 'EdDSA', 'Ed25519', 'RSA-OAEP', 'dir', 'XX999', '__proto__', 'constructor', 'toString'].map(
    (alg): Vector => [`alg ${alg}`, withHeader({ alg })],
  ),
  ...[undefined, null, true, false, 0, 256, 1.5, {}, [], [[]]].map((alg): Vector => [
    `alg ${JSON.stringify(alg)}`,
    withHeader({ alg }),
  ]),
  ...(
    [
      ['in small letters', alg => alg.toLowerCase()],
      ['in small and capital letters', alg => alg[0] + alg.slice(1).toLowerCase()],
      ['after a space', alg => ` ${alg}`],
      ['before a space', alg => `${alg} `],
      ['before a NUL', alg => `${alg}\0`],
      ['before a line break', alg => `${alg}\n`],
      ['in full-width digits', alg => alg.replace('2', '２').replace('3', '３')],
      ['as an array', alg => [alg]],
      ['as an object', alg => ({ toString: alg, alg })],
    ] as [string, (alg: string) => unknown][]
  ).map(([name, write]): Vector => [`our alg ${name}`, header(ours => ({ ...ours, alg: write(ours.alg as string) }))]),
];

/** The public parts of the key, in each form that a library may use. */
const SECRETS: readonly [string, (key: KeyObject, workshop: Workshop) => string | Buffer][] = [
  ['the PEM', key => key.export({ type: 'spki', format: 'pem' })],
  ['the PEM without the last line break', key => (key.export({ type: 'spki', format: 'pem' }) as string).trimEnd()],
  ['the PEM in one line', key => (key.export({ type: 'spki', format: 'pem' }) as string).replaceAll('\n', '')],
  ['the DER', key => key.export({ type: 'spki', format: 'der' })],
  ['the DER in base64', key => key.export({ type: 'spki', format: 'der' }).toString('base64')],
  ['the JWK', key => JSON.stringify(key.export({ format: 'jwk' }))],
  ['n or x', key => Buffer.from(key.export({ format: 'jwk' }).n ?? key.export({ format: 'jwk' }).x!, 'base64url')],
  ['n or x in base64url', key => key.export({ format: 'jwk' }).n ?? key.export({ format: 'jwk' }).x!],
  ['e or y', key => Buffer.from(key.export({ format: 'jwk' }).e ?? key.export({ format: 'jwk' }).y!, 'base64url')],
  ['the kid', (_key, workshop) => workshop.header.kid as string],
  ['nothing', () => ''],
  ['a NUL', () => '\0'],
];

const HMACS: readonly Vector[] = SECRETS.flatMap(([name, secretOf]) =>
  [256, 384, 512].flatMap((size): Vector[] => {
    const forge = (workshop: Workshop, alg: unknown) =>
      jws({ ...workshop.header, alg }, { ...workshop.payload, sub: 'grace' }, input =>
        createHmac(`sha${size}`, secretOf(workshop.publicKey, workshop)).update(input).digest(),
      );
    return [
      [`HS${size} by ${name}`, workshop => forge(workshop, `HS${size}`)],
      [`an HMAC of ${size} bits by ${name} under our alg`, workshop => forge(workshop, workshop.algorithm)],
    ];
  }),
);

const kid = (value: unknown): Vector => [
  `kid ${JSON.stringify(value)?.slice(0, 40) ?? 'missing'}`,
  withHeader({ kid: value }),
];

const NAMES =
  `' OR '1'='1|x'; DROP TABLE jwt_session_key; --|' UNION SELECT 'secret' --|%|_|*|$1|:kid|../../../../dev/null|/dev/null`.split(
    '|',
  );

const KIDS_ELSEWHERE =
  `file:///dev/null|C:\\nul|..%2f..%2fetc%2fpasswd|$(id)|http://127.0.0.1:9/jwks.json|server-secret`.split('|');

const PROTOTYPE = '__proto__|constructor|prototype|toString|hasOwnProperty|length|0|-1|null|undefined'.split('|');

const ODD = ['', ' ', '\0', '\ud800', '\u202e', '\ufeff', 'x'.repeat(5_000), 'x'.repeat(10_000)];

const NO_TEXT = [['__proto__'], {}, [], true, 0, null, undefined];

const KIDS: readonly Vector[] = [...NAMES, ...KIDS_ELSEWHERE, ...PROTOTYPE, ...ODD, ...NO_TEXT].map(kid).concat(
  (
    [
      ['before a NUL', ours => `${ours}\0`],
      ['before a space', ours => `${ours} `],
      ['in small letters', ours => ours.toLowerCase()],
      ['without its last letter', ours => ours.slice(0, -1)],
      ['in an array', ours => [ours]],
      ['in an object', ours => ({ kid: ours })],
    ] as [string, (ours: string) => unknown][]
  ).map(([name, write]): Vector => [`our kid ${name}`, header(ours => ({ ...ours, kid: write(ours.kid as string) }))]),
);

/** Members that a library may obey. */
const MEMBERS: readonly Vector[] = (
  [
    { crit: ['exp'] },
    { crit: ['b64'], b64: false },
    { crit: [] },
    { crit: 'b64', b64: false },
    { crit: ['alg'] },
    { crit: ['http://example.com/unknown'], 'http://example.com/unknown': true },
    { b64: false },
    { b64: true },
    { zip: 'DEF' },
    { zip: '' },
    { cty: 'JWT' },
    { cty: 'at+jwt' },
    { enc: 'A256GCM' },
    { epk: {}, apu: '', apv: '' },
    { p2c: 2 ** 31, p2s: 'x' },
    { jku: 'http://127.0.0.1:9/jwks.json' },
    { jwk: { kty: 'oct', k: '' } },
    { x5u: 'http://127.0.0.1:9/key.pem' },
    { x5c: [] },
    { x5t: 'x', 'x5t#S256': 'x' },
    { exp: 0 },
    { sub: 'grace' },
    { nonce: '' },
    { '': '' },
    { 'alg\0': 'none' },
    { ALG: 'none' },
    { ['__proto__']: { alg: 'none' } },
    { constructor: { prototype: { alg: 'none' } } },
  ] as Members[]
).map(members => [`with ${JSON.stringify(members)}`, withHeader(members)]);

const levels = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** The same members in our own eyes, in another's perhaps not. */
const SPELLINGS: readonly Vector[] = [
  ['alg twice', text(json => json.replace('{', '{"alg":"none",'))],
  ['alg twice, once with an escape', text(json => json.replace('{', '{"\\u0061lg":"none",'))],
  ['alg twice, the first one ours', text(json => json.replace('}', ',"alg":"none"}'))],
  ['kid with an escape', text(json => json.replace('"kid"', '"k\\u0069d"'))],
  ['typ with an escaped slash', text(json => json.replace('at+jwt', 'at\\u002bjwt'))],
  ['spaces', text(json => json.replaceAll(':', ': '))],
  ['a line break behind', text(json => `${json}\n`)],
  ['a NUL behind', text(json => `${json}\0`)],
  ['another object behind', text(json => `${json}{"alg":"none"}`)],
  ['a comma too many', text(json => json.replace('}', ',}'))],
  ['a comment', text(json => json.replace('{', '{/**/'))],
  ['single quotes', text(json => json.replaceAll('"', "'"))],
  ['a byte order mark', text(json => `\ufeff${json}`)],
  ['UTF-16', text(json => Buffer.from(json, 'utf16le'))],
  [
    'bytes that are no UTF-8',
    text(json => Buffer.concat([Buffer.from(json.slice(0, -2)), Buffer.from('ff227d', 'hex')])),
  ],
  [
    'an overlong quote',
    text(json => Buffer.from(Buffer.from(json).toString('latin1').replace('"', '\xc0\xa2'), 'latin1')),
  ],
  ['in an array', text(json => `[${json}]`)],
  ['as text', text(json => JSON.stringify(json))],
  ['deep nesting', header(ours => JSON.stringify({ ...ours, alg: 0 }).replace('0', levels(2_000)))],
  ['deep nesting without an end', header(() => '['.repeat(5_000))],
];

/** Other things that JOSE knows, and wrappers in which a token may lie. */
const SHAPES: readonly Vector[] = [
  ['a JWS in a JWS', ({ genuine, header: ours, own }) => jws({ ...ours, cty: 'JWT' }, genuine, own)],
  ['a JWS in a JWS without cty', ({ genuine, header: ours, own }) => jws(ours, genuine, own)],
  ['a JWS in JSON in a JWS', ({ genuine, header: ours, own }) => jws(ours, { token: genuine }, own)],
  [
    'five segments, as a JWE has',
    ({ payload }) =>
      [{ alg: 'dir', enc: 'A256GCM' }, '', 'x'.repeat(12), payload, 'x'.repeat(16)]
        .map(part => segment(part))
        .join('.'),
  ],
  ['five segments that begin with a token', ({ genuine }) => `${genuine}.AAAA.AAAA`],
  ['the flattened JSON serialisation', workshop => JSON.stringify(flattened(workshop))],
  ['the flattened JSON serialisation in base64url', workshop => segment(flattened(workshop))],
  [
    'the general JSON serialisation',
    workshop => {
      const { payload, ...signature } = flattened(workshop);
      return JSON.stringify({ payload, signatures: [signature] });
    },
  ],
  ['a detached payload', ({ genuine }) => genuine.replace(/\..+\./, '..')],
  ['an unencoded payload', ({ genuine, payload }) => genuine.replace(/\..+\./, `.${JSON.stringify(payload)}.`)],
  ['the token twice', ({ genuine }) => `${genuine},${genuine}`],
  ['the token in quotes', ({ genuine }) => `"${genuine}"`],
  ['the token with its scheme', ({ genuine }) => `Bearer ${genuine}`],
  ['a percent-encoded token', ({ genuine }) => genuine.replaceAll('.', '%2E')],
  ['a reversed token', ({ genuine }) => [...genuine].toReversed().join('')],
  ['a header of 1 MB', ({ genuine }) => `${'A'.repeat(1_000_000)}${genuine}`],
  ['a million dots', () => '.'.repeat(1_000_000)],
  ['8,193 characters', () => `${'A'.repeat(4_000)}.${'A'.repeat(4_191)}.`],
];

function flattened({ genuine }: Workshop) {
  const [ours, payload, signature] = partsOf(genuine).segments;
  return { protected: ours, payload, signature };
}

export const HEADER_VECTORS: readonly [string, readonly Vector[]][] = [
  ["J01: an alg that is not the key's", ALGORITHMS],
  ['J01: an HMAC by what is public', HMACS],
  ['J01: J05: a kid that leads elsewhere', KIDS],
  ['J02: J05: a header that says more', MEMBERS],
  ['J05: a header that is spelled otherwise', SPELLINGS],
  ['J05: another shape', SHAPES],
];
