import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const segment = value => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A private key of P-256, as JWK. */
export function newProofKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
}

/**
 * Makes proofs of a key (DPoP, RFC 9449), each with an id of its own.
 *
 * @param {import('node:crypto').JsonWebKey} privateJwk
 * @param {string} [accessToken] left out for a login
 */
export function proofMint(privateJwk, htm, htu, accessToken) {
  const key = createPrivateKey({ key: privateJwk, format: 'jwk' });
  const { d: _private, ...jwk } = privateJwk;
  const header = segment({ typ: 'dpop+jwt', alg: 'ES256', jwk });
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  return () => {
    const payload = segment({ jti: randomUUID(), htm, htu, iat: Math.floor(Date.now() / 1_000), ath });
    const content = `${header}.${payload}`;
    return `${content}.${sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
}
