import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { KeyProofInvalidError } from '../session.errors.js';
import { isCanonicalBase64url } from './base64url.js';

const SIGNATURE_BYTES = 64;

/** A coordinate of P-256 or a key of Ed25519: 32 bytes. */
const COORDINATE = /^[\w-]{43}$/;

/** Members of private and symmetric keys (RFC 7518, section 6). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** A proof in the compact form of a JWT, whose signature is not checked yet. */
export interface ProofSegments {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
}

/** The key that a client proves to hold. */
export interface ProofKey {
  readonly publicKey: KeyObject;
  readonly digest: 'sha256' | null;
  /** The SHA-256 thumbprint (RFC 7638), base64url. */
  readonly jkt: string;
  /** The members of the JWK that the thumbprint is made of. */
  readonly members: Readonly<Record<string, string>>;
}

/**
 * @param name the header that the proof came in
 * @throws KeyProofInvalidError
 */
export function splitProof(text: string, maxLength: number, name: string): ProofSegments {
  if (text.length > maxLength) throw new KeyProofInvalidError('The proof is too long');
  // Repeated headers arrive joined by commas, which are no base64url.
  const segments = text.split('.', 4);
  if (segments.length !== 3 || !segments.every(isCanonicalBase64url)) {
    throw new KeyProofInvalidError(`The header ${name} must be one proof in the compact form of a JWT`);
  }
  const [header, payload, signature] = segments as [string, string, string];
  return { header, payload, signature };
}

/**
 * The members of the header of a proof.
 *
 * @throws KeyProofInvalidError for another `typ`, and for extensions
 */
export function readProofHeader({ header }: ProofSegments, type: string): Record<string, unknown> {
  const members = readProofObject(header);
  if (members.typ !== type) throw new KeyProofInvalidError(`The typ of the proof must be ${type}`);
  if (members.crit !== undefined || members.b64 !== undefined) {
    throw new KeyProofInvalidError('The proof has an unknown extension');
  }
  return members;
}

/** @throws KeyProofInvalidError */
export function readProofObject(segment: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Answered below.
  }
  throw new KeyProofInvalidError('The header and the payload of the proof must be JSON objects');
}

/**
 * @param algorithms those that are accepted, separated by spaces
 * @throws KeyProofInvalidError for a key that is not public or not of the algorithm
 */
export function importProofKey(jwk: unknown, alg: unknown, algorithms: string): ProofKey {
  const isAccepted = typeof alg === 'string' && algorithms.split(' ').includes(alg);
  const members = isAccepted ? publicMembers(jwk, alg) : undefined;
  if (!members) throw new KeyProofInvalidError(`The proof needs a public key in jwk, for one of ${algorithms}`);
  try {
    return {
      publicKey: createPublicKey({ key: members, format: 'jwk' }),
      digest: alg === 'ES256' ? 'sha256' : null,
      // The members are in the order of RFC 7638, section 3.
      jkt: hash('sha256', JSON.stringify(members), 'base64url'),
      members,
    };
  } catch {
    throw new KeyProofInvalidError('The key of the proof is not a point of its curve');
  }
}

/** @throws KeyProofInvalidError */
export function checkProofSignature(
  { header, payload, signature }: ProofSegments,
  { publicKey, digest }: ProofKey,
): void {
  const bytes = Buffer.from(signature, 'base64url');
  const isGood =
    bytes.length === SIGNATURE_BYTES &&
    verify(digest, Buffer.from(`${header}.${payload}`), { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes);
  if (!isGood) throw new KeyProofInvalidError('The signature of the proof is wrong');
}

/** The members that the thumbprint is made of; undefined for a key that is not public or not of the algorithm. */
function publicMembers(jwk: unknown, alg: string): Record<string, string> | undefined {
  if (typeof jwk !== 'object' || jwk === null || PRIVATE_MEMBERS.some(member => member in jwk)) return undefined;
  const { kty, crv, x, y } = jwk as Record<string, unknown>;
  if (!isCoordinate(x)) return undefined;
  if (alg === 'ES256') return kty === 'EC' && crv === 'P-256' && isCoordinate(y) ? { crv, kty, x, y } : undefined;
  return kty === 'OKP' && crv === 'Ed25519' ? { crv, kty, x } : undefined;
}

function isCoordinate(value: unknown): value is string {
  return typeof value === 'string' && COORDINATE.test(value) && isCanonicalBase64url(value);
}
