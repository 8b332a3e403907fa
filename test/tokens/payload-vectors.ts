import { type Content, jws, type Members } from '../support/forged-token.js';
import type { Forgery } from './forgeries.js';

type Vector = [string, Forgery];

/** Signed by our own key, so that the payload alone can be what is refused. */
const payload =
  (change: (json: string, ours: Members) => Content): Forgery =>
  ({ header, payload: ours, own }) =>
    jws(header, change(JSON.stringify(ours), ours), own);

/** A claim's value as it is written, which need not be JSON. */
const written = (name: string, value: string): Vector => [
  `${name}: ${value.slice(0, 40)}`,
  payload((_json, ours) => JSON.stringify({ ...ours, [name]: 0 }).replace(`"${name}":0`, () => `"${name}":${value}`)),
];

const NUMBERS = ['iat', 'exp', 'auth_time', 'session_exp', 'generation', 'access_version', 'token_version'];
const NO_NUMBERS = [
  '"1"',
  '""',
  '"0x10"',
  'null',
  'true',
  '[1]',
  '{}',
  'NaN',
  'Infinity',
  '-Infinity',
  '01',
  '+1',
  '0x10',
];
const NO_WHOLE_NUMBERS = [
  '1.5',
  '-1',
  '-1.0',
  '-9007199254740991',
  '1e400',
  '-1e400',
  '1e308',
  '9007199254740992',
  '5e-324',
];
/** 1 and 0, but not as we write them. */
const ODDLY_WRITTEN = ['1.0', '1e0', '10e-1', '-0', '1E0', '1.', '.1'];
/** A `Date` cannot tell these times. */
const TOO_LATE = ['8640000000001', '9007199254740991'];

const SUBJECTS = [
  '""',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"a\\u0000"',
  `"${'x'.repeat(256)}"`,
  '7',
  'null',
  '["ada"]',
  '{}',
];

const levels = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const SPELLINGS: readonly Vector[] = [
  ['sub twice, ours last', payload(json => json.replace('{', '{"sub":"grace",'))],
  ['sub twice, ours first', payload(json => json.replace(/}$/, ',"sub":"grace"}'))],
  ['sub twice, the same', payload(json => json.replace('{', '{"sub":"ada",'))],
  ['sub twice, once with an escape', payload(json => json.replace('{', '{"\\u0073ub":"grace",'))],
  ['exp twice', payload(json => json.replace('{', '{"exp":9999999999,'))],
  ['a custom claim twice', payload(json => json.replace('{', '{"role":"admin",'))],
  ['spaces', payload(json => json.replaceAll(',', ', '))],
  ['a line break behind', payload(json => `${json}\n`)],
  ['a NUL behind', payload(json => `${json}\0`)],
  ['another object behind', payload(json => `${json}{}`)],
  ['a comma too many', payload(json => json.replace(/}$/, ',}'))],
  ['a comment', payload(json => json.replace('{', '{/**/'))],
  ['single quotes', payload(json => json.replaceAll('"', "'"))],
  ['a byte order mark', payload(json => `\ufeff${json}`)],
  ['UTF-16', payload(json => Buffer.from(json, 'utf16le'))],
  ['UTF-16 with a byte order mark', payload(json => Buffer.from(`\ufeff${json}`, 'utf16le'))],
  ...['ff', 'c0a2', 'eda080', 'f4908080', 'c3', '80'].map((hex): Vector => [
    `the bytes ${hex}, which are no UTF-8`,
    payload(json => Buffer.concat([Buffer.from(`${json.slice(0, -1)},"x":"`), Buffer.from(`${hex}227d`, 'hex')])),
  ]),
  ['an escaped U+2028, which we write as it is', payload(json => json.replace('{', '{"x":"\\u2028",'))],
  ['in an array', payload(json => `[${json}]`)],
  ['as text', payload(json => JSON.stringify(json))],
  ['in base64url', payload(json => Buffer.from(json).toString('base64url'))],
  ['as a member', payload((_json, ours) => ({ payload: ours }))],
  ['under the prototype', payload(json => `{"__proto__":${json}}`)],
  ...['1', '-1', '0', '1e400', 'true', 'null', '"ada"', '""', '[]', '{}', '', 'undefined', levels(2_500)].map(
    (json): Vector => [`the payload ${json.slice(0, 20)}`, payload(() => json)],
  ),
  ['deep nesting without an end', payload(() => '['.repeat(5_000))],
];

/** Payloads with a perfect signature that say what no token of ours says, or say it as none does. */
export const PAYLOAD_VECTORS: readonly [string, readonly Vector[]][] = [
  [
    'J03: J05: a number that is none, or is written otherwise',
    NUMBERS.flatMap(name => [...NO_NUMBERS, ...NO_WHOLE_NUMBERS, ...ODDLY_WRITTEN].map(value => written(name, value))),
  ],
  [
    'J03: a time that no clock can tell',
    NUMBERS.slice(0, 4).flatMap(name => TOO_LATE.map(value => written(name, value))),
  ],
  ['J03: J05: a subject that no user has', SUBJECTS.map(value => written('sub', value))],
  ['J05: a payload that is spelled otherwise', SPELLINGS],
];

/** What is odd and right nevertheless; the control of the spellings above. */
export const ODD_CLAIMS: Members = {
  lines: '\u2028\u2029',
  text: 'ÿ😀"\\/',
  numbers: [0, -1, 1.5, 1e21, 5e-324, 1e308],
  2: 'an index',
  nested: JSON.parse(levels(30)) as unknown,
};
