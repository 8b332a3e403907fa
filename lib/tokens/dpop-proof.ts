import { hash } from 'node:crypto';
import { KeyProofInvalidError } from '../session.errors.js';
import {
  checkProofSignature,
  importProofKey,
  type ProofKey,
  type ProofSegments,
  readProofHeader,
  readProofObject,
  splitProof,
} from './key-proof.js';
import { VerifiedTokenCache } from './verified-token-cache.js';

/** As `algs` of a challenge names them (RFC 9449, section 7.1). */
export const DPOP_ALGORITHMS = 'ES256 EdDSA Ed25519';

const MAX_PROOF_LENGTH = 4_096;
const MAX_ID_LENGTH = 256;

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
    const segments = splitProof(text, MAX_PROOF_LENGTH, 'DPoP');
    const { header, payload } = segments;
    const known = this.keys.get(header);
    const key = known ?? readKey(segments);
    const proof = readClaims(payload, key.jkt);
    checkProofSignature(segments, key);
    if (!known) this.keys.set(header, key);
    return proof;
  }
}

/** The `ath` of a proof for this access token (RFC 9449, section 4.2). */
export function accessTokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

function readKey(segments: ProofSegments): ProofKey {
  const { alg, jwk } = readProofHeader(segments, 'dpop+jwt');
  return importProofKey(jwk, alg, DPOP_ALGORITHMS);
}

function readClaims(segment: string, jkt: string): DpopProof {
  const { jti, htm, htu, iat, ath, nonce } = readProofObject(segment);
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
