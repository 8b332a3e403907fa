import type { P256Point } from '../rules/dbsc.js';
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

/** The one algorithm that is asked for: every TPM 2.0 and Secure Enclave has it, and its keys fit into the identifier. */
export const DBSC_ALGORITHM = 'ES256';

const MAX_PROOF_LENGTH = 2_048;

/** The public key of a browser. */
export interface DbscKey {
  readonly point: P256Point;
  /** SHA-256 (RFC 7638), 32 bytes. */
  readonly thumbprint: Buffer;
}

/** A challenge that a browser has signed. */
export class DbscProof {
  /** Not proved until `verify` was called. Checking it takes less time than checking a key and a signature. */
  readonly challenge: string;
  private readonly segments: ProofSegments;

  /** @throws KeyProofInvalidError for a proof of another form */
  constructor(text: string) {
    this.segments = splitProof(text, MAX_PROOF_LENGTH, 'Secure-Session-Response');
    this.challenge = readChallenge(this.segments);
  }

  /**
   * Checks the signature.
   *
   * @param point the key; in a registration the header of the proof has it
   * @throws KeyProofInvalidError
   */
  verify(point?: P256Point): DbscKey {
    const { alg, jwk } = readProofHeader(this.segments, 'dbsc+jwt');
    const key = importProofKey(point ? jwkOf(point) : jwk, alg, DBSC_ALGORITHM);
    checkProofSignature(this.segments, key);
    return { point: point ?? pointOf(key), thumbprint: Buffer.from(key.jkt, 'base64url') };
  }
}

function readChallenge({ payload }: ProofSegments): string {
  // Browsers may add "aud" and others: the challenge alone says what the proof is for.
  const { jti } = readProofObject(payload);
  if (typeof jti !== 'string') throw new KeyProofInvalidError('The jti of the proof must be the challenge');
  return jti;
}

function pointOf({ members: { x, y } }: ProofKey): P256Point {
  return { x: Buffer.from(x!, 'base64url'), y: Buffer.from(y!, 'base64url') };
}

function jwkOf({ x, y }: P256Point) {
  return { kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') };
}
