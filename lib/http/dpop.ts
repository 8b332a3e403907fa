import { Logger } from '@nestjs/common';
import type { SessionClock } from '../common/clock.js';
import type { ServerSecrets } from '../keys/server-secrets.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { isDigestOf, type ServerKeys } from '../rules/server-keys.js';
import type { SessionKey } from '../rules/session-key.js';
import { KeyProofInvalidError, SessionKeyRequiredError } from '../session.errors.js';
import { accessTokenHash, type DpopProof, DpopProofReader } from '../tokens/dpop-proof.js';
import { ReplayMemory } from '../tokens/replay-memory.js';
import type { SessionExchange } from './exchange.js';
import type { IncomingAccessToken } from './session-http.js';
import type { ResponseHeaders } from './response-headers.js';

const NONCE_PERIOD_MS = 30_000;
const NONCE_BYTES = 16;

/** A proof that came with a request. Guards and a handler of one request ask for the same. */
interface IncomingProof {
  readonly text: string;
  readonly proof: DpopProof;
  isUsed: boolean;
}

/**
 * DPoP (RFC 9449): whether the client of a request holds the key that its session is bound to, or is to be bound to.
 *
 * A proof counts once per process. Other processes do not know of it: a proof that was taken out of a request in time is
 * accepted once by each.
 */
export class DpopProofs {
  private readonly logger = new Logger('SessionTokens');
  private readonly reader = new DpopProofReader();
  private readonly replays: ReplayMemory;
  private readonly incoming = new WeakMap<object, IncomingProof>();
  private readonly baseUrls: readonly string[];
  /** Milliseconds. */
  private readonly lifetime: number;
  private readonly clockTolerance: number;
  private warned = false;

  /** @param secrets left out in a service with the verifier alone, which asks for no nonces */
  constructor(
    { keyBinding, accessToken }: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
    private readonly clock: SessionClock,
    private readonly secrets?: ServerSecrets,
  ) {
    const { proofLifetime, baseUrls, nonce } = keyBinding.dpop;
    this.lifetime = proofLifetime;
    this.clockTolerance = accessToken.clockTolerance;
    this.baseUrls = baseUrls.map(url => url.replace(/\/$/, ''));
    if (nonce === 'off') this.secrets = undefined;
    this.replays = new ReplayMemory(proofLifetime + this.clockTolerance, () => this.warn());
  }

  /**
   * The key that the client of a login or a refresh proves; undefined where no proof came.
   *
   * @throws KeyProofInvalidError
   */
  readKey(exchange: SessionExchange): SessionKey | undefined {
    const incoming = this.read(exchange);
    if (!incoming) return undefined;
    this.use(incoming);
    return { kind: 'dpop', thumbprint: Buffer.from(incoming.proof.jkt, 'base64url') };
  }

  /**
   * Checks a request with a bound access token.
   *
   * @param jkt the thumbprint in the token
   * @throws SessionKeyRequiredError where the token was sent as one without a key, KeyProofInvalidError
   */
  requireProof(exchange: SessionExchange, { token, isDpop }: IncomingAccessToken, jkt: string): void {
    if (!isDpop) {
      throw new SessionKeyRequiredError(
        'The access token is bound to a key: send it as "Authorization: DPoP", with a proof in the header DPoP',
      );
    }
    const incoming = this.read(exchange);
    if (!incoming)
      throw new KeyProofInvalidError('The access token is bound to a key: send a proof in the header DPoP');
    const { proof } = incoming;
    if (proof.jkt !== jkt) throw new KeyProofInvalidError('The proof is of another key than the access token');
    if (proof.ath !== accessTokenHash(token)) {
      throw new KeyProofInvalidError('The ath of the proof is not the hash of the access token');
    }
    this.use(incoming);
  }

  private read(exchange: SessionExchange): IncomingProof | undefined {
    if (this.secrets) {
      // For the next proof, or for a second attempt.
      const nonce = nonceOf(this.period, this.secrets.newest).toString('base64url');
      this.headers.set(exchange, 'DPoP-Nonce', nonce);
    }
    const text = exchange.header('dpop');
    if (text === undefined) return undefined;
    const known = this.incoming.get(exchange.request);
    if (known?.text === text) return known;
    const proof = this.reader.read(text);
    this.checkPurpose(exchange, proof);
    const incoming = { text, proof, isUsed: false };
    this.incoming.set(exchange.request, incoming);
    return incoming;
  }

  private checkPurpose(exchange: SessionExchange, { htm, htu, iat, nonce }: DpopProof): void {
    if (htm !== (exchange.request.method ?? 'GET')) {
      throw new KeyProofInvalidError('The htm of the proof is not the method of the request');
    }
    const { path } = exchange;
    const given = normalised(htu);
    if (given === undefined || !this.basesOf(exchange).some(base => normalised(base + path) === given)) {
      throw new KeyProofInvalidError(
        'The htu of the proof is not the address of the request: behind a proxy that changes the host or the path, write what clients see into the option keyBinding.dpop.baseUrls',
      );
    }
    const age = this.clock.now() - iat * 1000;
    if (!(age >= -this.clockTolerance && age <= this.lifetime)) {
      throw new KeyProofInvalidError('The proof is too old, or from the future: make one for each request');
    }
    if (!this.isNonce(nonce))
      throw new KeyProofInvalidError('The proof needs the nonce of the header DPoP-Nonce').asksForNonce();
  }

  /** Under which addresses clients may know this application. */
  private basesOf(exchange: SessionExchange): readonly string[] {
    if (this.baseUrls.length > 0) return this.baseUrls;
    const host = exchange.header(':authority') ?? exchange.header('host');
    const { protocol, secure, socket } = exchange.request;
    // A WebSocket handshake has no protocol of a platform.
    return [`${protocol ?? (secure || socket?.encrypted ? 'https' : 'http')}://${host}`];
  }

  private isNonce(nonce: string | undefined): boolean {
    if (!this.secrets) return true;
    const { period } = this;
    return (
      nonce !== undefined &&
      [period, period - 1].some(each => isDigestOf(nonce, this.secrets!.trusted, keys => nonceOf(each, keys)))
    );
  }

  private get period(): number {
    return Math.floor(this.clock.now() / NONCE_PERIOD_MS);
  }

  /** Only after all checks: what is refused must not fill the memory. */
  private use(incoming: IncomingProof): void {
    if (incoming.isUsed) return;
    const { jkt, jti } = incoming.proof;
    if (!this.replays.use(jkt, jti, this.clock.now())) throw new KeyProofInvalidError('The proof was used before');
    incoming.isUsed = true;
  }

  private warn(): void {
    if (this.warned) return;
    this.warned = true;
    this.logger.warn(
      'more DPoP proofs come than this process remembers: some could be used twice within their lifetime',
    );
  }
}

function nonceOf(period: number, { nonce }: ServerKeys): Buffer {
  return nonce.digest(Buffer.from(String(period))).subarray(0, NONCE_BYTES);
}

/** Without query and fragment, in the spelling of the WHATWG (RFC 9449, section 4.3, and RFC 3986, section 6). */
function normalised(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, origin, pathname } = new URL(address);
  return protocol === 'https:' || protocol === 'http:' ? origin + pathname : undefined;
}
