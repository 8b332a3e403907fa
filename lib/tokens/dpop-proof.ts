import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { KeyProofInvalidError } from '../session.errors.js';
import { isCanonicalBase64url } from './base64url.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/** As `algs` of a challenge names them (RFC 9449, section 7.1). */
export const DPOP_ALGORITHMS = 'ES256 EdDSA Ed25519';

const MAX_PROOF_LENGTH = 4_096;
const MAX_ID_LENGTH = 256;
const SIGNATURE_BYTES = 64;

/** A coordinate of P-256 or a key of Ed25519: 32 bytes. */
const COORDINATE = /^[\w-]{43}$/;

/** Members of private and symmetric keys (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** What a proof says, once its signature is verified (RFC 9449, section 4.2). */
export interface DpopProof {
  /** The SHA-256 thumbprint of its key (RFC 7638), base64url. */
  readonly jkt: string;
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  /** The hash of the access token that the request carries. */
  readonly ath: string | undefined;
  readonly nonce: string | undefined;
}

interface ProofKey {
  readonly publicKey: KeyObject;
  readonly digest: 'sha256' | null;
  readonly jkt: string;
}

/** Reads proofs, and keeps the keys of those with a good signature: importing a key takes longer than a signature. */
export class DpopProofReader {
  /** By header: it is the same in every proof of a client. */
  private readonly keys = new VerifiedTokenCache<ProofKey>();

  /**
   * Checks form, key and signature of a proof. What it was made for is left to the caller.
   *
   * @throws KeyProofInvalidError
   */
  read(text: string): DpopProof {
    if (text.length > MAX_PROOF_LENGTH) throw new KeyProofInvalidError('The proof is too long');
    // Repeated headers arrive joined by commas, which are no base64url.
    const segments = text.split('.', 4);
    if (segments.length !== 3 || !segments.every(isCanonicalBase64url)) {
      throw new KeyProofInvalidError('The header DPoP must be one proof in the compact form of a JWT');
    }
    const [header, payload, signature] = segments as [string, string, string];
    const known = this.keys.get(header);
    const key = known ?? readKey(header);
    const proof = readClaims(payload, key.jkt);
    const bytes = Buffer.from(signature, 'base64url');
    const { publicKey, digest } = key;
    const isGood =
      bytes.length === SIGNATURE_BYTES &&
      verify(digest, Buffer.from(`${header}.${payload}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes);
    if (!isGood) throw new KeyProofInvalidError('The signature of the proof is wrong');
    if (!known) this.keys.set(header, key);
    return proof;
  }
}

/** The `ath` of a proof for this access token (RFC 9449, section 4.2). */
export function accessTokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

function readKey(segment: string): ProofKey {
  const { typ, alg, jwk, crit, b64 } = objectOf(segment);
  if (typ !== 'dpop+jwt') throw new KeyProofInvalidError('The typ of the proof must be dpop+jwt');
  if (crit !== undefined || b64 !== undefined) throw new KeyProofInvalidError('The proof has an unknown extension');
  const key = publicMembers(jwk, alg);
  if (!key) throw new KeyProofInvalidError(`The proof needs a public key in jwk, for one of ${DPOP_ALGORITHMS}`);
  try {
    return {
      publicKey: createPublicKey({ key, format: 'jwk' }),
      digest: alg === 'ES256' ? 'sha256' : null,
      // The members are in the order of RFC 7638, section 3.
      jkt: hash('sha256', JSON.stringify(key), 'base64url'),
    };
  } catch {
    throw new KeyProofInvalidError('The key of the proof is not a point of its curve');
  }
}

/** The members that the thumbprint is made of; undefined for a key that is not public or not of the algorithm. */
function publicMembers(jwk: unknown, alg: unknown): Record<string, string> | undefined {
  if (typeof jwk !== 'object' || jwk === null || PRIVATE_MEMBERS.some(member => member in jwk)) return undefined;
  const { kty, crv, x, y } = jwk as Record<string, unknown>;
  if (!isCoordinate(x)) return undefined;
  if (alg === 'ES256') return kty === 'EC' && crv === 'P-256' && isCoordinate(y) ? { crv, kty, x, y } : undefined;
  const isEdwards = (alg === 'EdDSA' || alg === 'Ed25519') && kty === 'OKP' && crv === 'Ed25519';
  return isEdwards ? { crv, kty, x } : undefined;
}

function isCoordinate(value: unknown): value is string {
  return typeof value === 'string' && COORDINATE.test(value) && isCanonicalBase64url(value);
}

function readClaims(segment: string, jkt: string): DpopProof {
  const { jti, htm, htu, iat, ath, nonce } = objectOf(segment);
  const isSound =
    isText(jti) &&
    jti.length > 0 &&
    jti.length <= MAX_ID_LENGTH &&
    isText(htm) &&
    isText(htu) &&
    typeof iat === 'number' &&
    (ath === undefined || isText(ath)) &&
    (nonce === undefined || isText(nonce));
  if (!isSound) throw new KeyProofInvalidError('The proof needs jti, htm, htu and iat');
  return { jkt, jti, htm, htu, iat, ath, nonce };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function objectOf(segment: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Answered below.
  }
  throw new KeyProofInvalidError('The header and the payload of the proof must be JSON objects');
}
