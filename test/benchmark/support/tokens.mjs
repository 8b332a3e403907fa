import { randomUUID, sign } from 'node:crypto';

/** The order of the curve P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * Makes access tokens like one that the library has issued, each of another session.
 *
 * @param {string} template
 * @param {import('node:crypto').KeyObject} key
 */
export function tokenMint(template, key) {
  const [header, payload] = template.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const mint = () => {
    const body = Buffer.from(JSON.stringify({ ...claims, sid: randomUUID(), jti: randomUUID() })).toString('base64url');
    const signed = `${header}.${body}`;
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${withLowS(signature).toString('base64url')}`;
  };
  return count => Array.from({ length: count }, mint);
}

/** The library accepts the lower of the two values that `s` of a signature (r, s) can have. */
function withLowS(signature) {
  const s = BigInt(`0x${signature.toString('hex', 32)}`);
  if (s > ORDER / 2n) signature.write((ORDER - s).toString(16).padStart(64, '0'), 32, 'hex');
  return signature;
}

/** A string that no engine has seen before, as each request brings one: its hash is not known yet. */
export function fresh(bytes) {
  return bytes.latin1Slice(0, bytes.length);
}

export const bearer = tokens => tokens.map(token => `Bearer ${token}`);

export const asBytes = tokens => tokens.map(token => Buffer.from(token));

/** Answers with so many of the tokens in turn, as bytes. */
export function inTurn(tokens) {
  const bytes = asBytes(tokens);
  let next = 0;
  return count => Array.from({ length: count }, () => bytes[next++ % bytes.length]);
}
