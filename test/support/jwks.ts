import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { type Answer, send } from './client.js';
import { type Members, partsOf, SIGNATURE_PARAMETERS } from './forged-token.js';

export const JWKS_PATH = '/.well-known/jwks.json';

export interface Jwk extends JsonWebKey {
  readonly kid: string;
  readonly alg: string;
}

/**
 * Another service: it knows nothing but the address of the JWK Set, keeps it as long as it may, and verifies with it.
 */
export class ForeignVerifier {
  private cached?: { keys: Jwk[]; until: number };

  constructor(
    private readonly url: string,
    private readonly now: () => number,
  ) {}

  /** The payload of a token whose signature is right; rejects any other. */
  async verify(token: string): Promise<Members> {
    const { header, payload, segments } = partsOf(token);
    const jwk = (await this.keys()).find(({ kid }) => kid === header.kid);
    if (!jwk) throw new Error(`the JWK Set that I keep has no key ${String(header.kid)}`);
    if (jwk.alg !== header.alg) throw new Error(`the key is for ${jwk.alg}, the token says ${String(header.alg)}`);
    const { digest, ...parameters } = SIGNATURE_PARAMETERS[jwk.alg as keyof typeof SIGNATURE_PARAMETERS];
    const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), ...parameters };
    const signature = Buffer.from(segments[2], 'base64url');
    if (!verify(digest, Buffer.from(`${segments[0]}.${segments[1]}`), key, signature))
      throw new Error('wrong signature');
    return payload;
  }

  private async keys(): Promise<Jwk[]> {
    if (!this.cached || this.now() >= this.cached.until) {
      const { keys, maxAge } = await fetchJwks(this.url);
      this.cached = { keys, until: this.now() + maxAge * 1_000 };
    }
    return this.cached.keys;
  }
}

export async function fetchJwks(url: string): Promise<{ answer: Answer; keys: Jwk[]; maxAge: number }> {
  const answer = await send(`${url}${JWKS_PATH}`);
  const maxAge = Number(/max-age=(\d+)/.exec(answer.headers.get('cache-control') ?? '')?.[1]);
  return { answer, keys: answer.body.keys as Jwk[], maxAge };
}
