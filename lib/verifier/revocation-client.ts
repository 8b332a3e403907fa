import { decodeProtectedHeader, jwtVerify } from 'jose';
import { randomBytes } from '../common/random.js';
import type { VerificationKeys } from '../keys/key-ring.js';
import {
  digestOf,
  NONCE_HEADER,
  type PageProof,
  PROOF_HEADER,
  PROOF_TYPE,
  readPage,
  type RevocationPage,
} from '../revocation/revocation-page.js';

/** Twice what the largest page takes; more is not read. */
const MAX_PAGE_BYTES = 16_000_000;
const MAX_PROOF_LENGTH = 4_096;

/** 100 years. */
const MAX_LIFETIME_MS = 3_155_760_000_000;

/** What a status means, where it is a mistake in the options. */
const HINTS: Readonly<Record<number, string>> = {
  401: ': the guard of the issuing application does not admit this token',
  403: ': the guard of the issuing application does not admit this token',
  404: ': the issuing application does not serve them there, which its option "revocations" is for',
};

export interface FetchedPage {
  readonly proof: PageProof;
  /** Undefined for one that has not changed. */
  readonly page?: RevocationPage;
}

interface Source {
  readonly url: string;
  readonly token: string;
  /** The `iss` of proofs, where the issuing application has one. */
  readonly issuer?: string;
}

/**
 * Fetches pages of revocations from the issuing application. A page counts only with a proof: a signature by a key of the
 * issuing application, over the page and over a nonce of this request. Therefore a page that a proxy has made up, changed,
 * cut off or kept is refused.
 */
export class RevocationClient {
  constructor(
    private readonly source: Source,
    private readonly keys: VerificationKeys,
  ) {}

  /**
   * @param after cursors of former pages
   * @param known the digest of the last page, which is not sent again if it has not changed
   * @throws Error that says what is wrong with the answer, without the token
   */
  async fetch(after: readonly string[], known: string | undefined, signal: AbortSignal): Promise<FetchedPage> {
    const url = new URL(this.source.url);
    url.searchParams.set('after', after.join());
    const nonce = randomBytes(16).toString('base64url');
    const headers: Record<string, string> = {
      accept: 'application/json',
      authorization: `Bearer ${this.source.token}`,
      [NONCE_HEADER]: nonce,
    };
    if (known !== undefined) headers['if-none-match'] = `W/"${known}"`;
    // A redirect would send the token to another address.
    const response = await fetch(url, { headers, signal, redirect: 'error' });
    const isUnchanged = response.status === 304 && known !== undefined;
    if (response.status !== 200 && !isUnchanged) {
      await response.body?.cancel();
      throw new Error(`the answer has status ${response.status}${HINTS[response.status] ?? ''}`);
    }
    const text = isUnchanged ? undefined : await readText(response);
    const proof = await this.verify(response.headers.get(PROOF_HEADER) ?? '');
    if (proof.nonce !== nonce) throw new Error('the answer belongs to another request');
    if (proof.digest !== (text === undefined ? known : digestOf(text))) throw new Error('the answer was changed');
    if (text === undefined) return { proof };
    const page = readPage(text);
    if (!page) throw new Error('the answer has another form');
    return { proof, page };
  }

  private async verify(jws: string): Promise<PageProof> {
    if (jws.length > MAX_PROOF_LENGTH) throw new Error('the proof is too long');
    const { kid, alg } = headerOf(jws);
    const key = typeof kid === 'string' && typeof alg === 'string' ? await this.keys.find(kid, alg) : undefined;
    if (!key) throw new Error('the answer is not signed by a key of the issuing application');
    const { payload } = await jwtVerify(jws, key.publicKey, {
      algorithms: [key.algorithm],
      typ: PROOF_TYPE,
      issuer: this.source.issuer,
    });
    const { staleness, lifetime, iat } = payload;
    const isSound =
      isWithin(staleness, Number.MAX_SAFE_INTEGER) && isWithin(lifetime, MAX_LIFETIME_MS) && isWithin(iat, Infinity);
    if (!isSound) throw new Error('the proof has another form');
    return payload as unknown as PageProof;
  }
}

function headerOf(jws: string): { kid?: unknown; alg?: unknown } {
  try {
    return decodeProtectedHeader(jws);
  } catch {
    // No header, or no JWS.
    return {};
  }
}

function isWithin(value: unknown, max: number): boolean {
  return typeof value === 'number' && value >= 0 && value <= max;
}

/** Reads a body in UTF-8. The limit counts bytes after decompression. */
async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_PAGE_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
