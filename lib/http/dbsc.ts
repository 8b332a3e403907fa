import type { SessionClock } from '../common/clock.js';
import { isUuid } from '../common/uuid.js';
import type { ServerSecrets } from '../keys/server-secrets.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import {
  type ChallengePurpose,
  type DbscSession,
  encodeIdentifier,
  isChallenge,
  newChallenge,
  openIdentifier,
} from '../rules/dbsc.js';
import type { SessionKey } from '../rules/session-key.js';
import { KeyProofInvalidError } from '../session.errors.js';
import { DBSC_ALGORITHM, DbscProof } from '../tokens/dbsc-proof.js';
import { secondsUntilEnd, type SignedAccessToken } from '../tokens/access-token.claims.js';
import type { CsrfProtection } from './csrf.js';
import type { SessionExchange } from './exchange.js';
import type { ResponseHeaders } from './response-headers.js';
import type { SessionCookies } from './session-cookies.js';

/** How long an answer may be under way. */
const COOKIE_MARGIN_SECONDS = 10;
const MAX_REGISTRATION_AGE_MS = 300_000;
/** Beyond the lifetime of access tokens, so that the challenge of one refresh still counts at the next. */
const CHALLENGE_RESERVE_MS = 600_000;

/** A key that a browser registers. */
export interface DbscRegistration {
  readonly session: DbscSession;
  readonly key: SessionKey;
  /** How the login was sent that asked for it. */
  readonly purpose: ChallengePurpose;
}

/** A refresh by the key of a session; without `key` the browser is to sign another challenge. */
export interface DbscRefresh {
  readonly session: DbscSession;
  /** As the browser knows the session: that of a former secret remains. */
  readonly identifier: string;
  readonly key?: SessionKey;
}

/** Whether the browser has a session that is bound to a key, and could not refresh it: its cookie is missing. */
export function wasSkipped(exchange: SessionExchange): boolean {
  return exchange.header('secure-session-skipped') !== undefined && exchange.header('authorization') === undefined;
}

/**
 * The messages of Device Bound Session Credentials (W3C): a browser makes a key pair at the login, registers the public
 * key, and later proves that it holds the private one to get a new access cookie.
 */
export class DbscMessages {
  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly headers: ResponseHeaders,
    private readonly cookies: SessionCookies,
    private readonly csrf: CsrfProtection,
    private readonly clock: SessionClock,
    private readonly secrets: ServerSecrets,
  ) {}

  /** Whether the settings of the cookies allow it. Browsers bind cookies of https alone, and here those of one host. */
  get isPossible(): boolean {
    const { transport, cookies } = this.options;
    return transport !== 'bearer' && cookies.secure && !cookies.domain;
  }

  /**
   * Asks the browser to register a key for the session. Called at logins only: where an unbound session is refreshed,
   * somebody with a copy of its cookies could otherwise bind it to a key of their own.
   */
  offer(exchange: SessionExchange, sessionId: string): void {
    if (this.options.binding.key === 'off' || !this.isPossible) return;
    const mode = exchange.header('sec-fetch-mode');
    // The registration tells scripts by this header, which a browser without it would let them leave out.
    if (mode === undefined) return;
    // No page reads the answer to a navigation. Scripts can read this header in the answer to a fetch.
    const purpose = mode === 'navigate' ? 'navigation' : 'script';
    const challenge = `${this.challenge(sessionId, purpose)}.${sessionId}.${purpose}`;
    const value = `(${DBSC_ALGORITHM});path="${this.cookies.keyPath}";challenge="${challenge}"`;
    this.headers.set(exchange, 'Secure-Session-Registration', value);
  }

  /** Whether the request names a session: a refresh. Without one it is a registration. No page can set the header. */
  namesSession(exchange: SessionExchange): boolean {
    return exchange.header('sec-secure-session-id') !== undefined;
  }

  /** @throws KeyProofInvalidError */
  readRegistration(exchange: SessionExchange): DbscRegistration {
    // Requests of scripts have a mode, and in this one browsers drop the header with the proof from what scripts send.
    if ((exchange.header('sec-fetch-mode') ?? 'no-cors') !== 'no-cors') {
      throw new KeyProofInvalidError('Only a browser itself registers a key');
    }
    if (this.options.binding.key === 'off') throw new KeyProofInvalidError('No keys are registered here');
    const proof = new DbscProof(this.proofOf(exchange) ?? '');
    const [text, sessionId, purpose, another] = proof.challenge.split('.');
    const isSound =
      (purpose === 'script' || purpose === 'navigation') && another === undefined && isUuid(sessionId ?? '');
    if (!isSound || !this.counts(text!, sessionId!, purpose, MAX_REGISTRATION_AGE_MS)) {
      throw new KeyProofInvalidError('The challenge of the registration is wrong or too old');
    }
    // After the challenge, which only this application makes: proofs of other challenges cost no check of a signature.
    const { point, thumbprint } = proof.verify();
    return { session: { sessionId: sessionId!, point }, key: keyOf(thumbprint), purpose };
  }

  /**
   * The session of a refresh, whose proof was checked with the key that its identifier carries. Whether that key is the
   * session's is left to the caller.
   *
   * @throws KeyProofInvalidError
   */
  readRefresh(exchange: SessionExchange): DbscRefresh {
    // Some versions of Chromium send the identifier with quotes, others without.
    const identifier = (exchange.header('sec-secure-session-id') ?? '').replace(/^"(.*)"$/, '$1');
    const session = openIdentifier(identifier, this.secrets.accepted);
    if (!session) {
      throw new KeyProofInvalidError('The header Sec-Secure-Session-Id names no session of this application');
    }
    const text = this.proofOf(exchange);
    if (text === undefined) return { session, identifier };
    const proof = new DbscProof(text);
    const { thumbprint } = proof.verify(session.point);
    const maxAge = this.options.accessToken.lifetime + CHALLENGE_RESERVE_MS;
    const counts = this.counts(proof.challenge, session.sessionId, 'refresh', maxAge);
    return { session, identifier, key: counts ? keyOf(thumbprint) : undefined };
  }

  /** Gives the browser the challenge that its next proof is to sign. It takes none for an identifier that it does not know. */
  challengeNext(exchange: SessionExchange, { sessionId }: DbscSession, identifier: string): void {
    const challenge = this.challenge(sessionId, 'refresh');
    this.headers.set(exchange, 'Secure-Session-Challenge', `"${challenge}";id="${identifier}"`);
  }

  /** Sets the access cookie. It ends before its token, so that the browser refreshes before any request lacks it. */
  deliver(exchange: SessionExchange, access: SignedAccessToken): void {
    const { session, token, expiresIn } = access;
    this.cookies.setBound(exchange, token, Math.max(expiresIn - COOKIE_MARGIN_SECONDS, 1));
    if (!this.csrf.usesTokens) return;
    this.cookies.setCsrf(exchange, this.csrf.tokenOf(session.id), secondsUntilEnd(access));
  }

  /** What a browser does from now on: it refreshes before requests that would lack the access cookie. */
  instructions(identifier: string) {
    return {
      session_identifier: identifier,
      refresh_url: this.cookies.keyPath,
      scope: { include_site: false, scope_specification: [] },
      credentials: [{ type: 'cookie', ...this.cookies.boundCookie }],
      // So that links of other sites find the user logged in.
      allowed_refresh_initiators: ['*'],
    };
  }

  identifierOf(session: DbscSession): string {
    return encodeIdentifier(session, this.secrets.newest);
  }

  private proofOf(exchange: SessionExchange): string | undefined {
    return exchange.header('secure-session-response');
  }

  private challenge(sessionId: string, purpose: ChallengePurpose): string {
    return newChallenge(sessionId, purpose, this.clock.now(), this.secrets.newest);
  }

  private counts(text: string, sessionId: string, purpose: ChallengePurpose, maxAge: number): boolean {
    return isChallenge(text, sessionId, purpose, this.clock.now(), maxAge, this.secrets.accepted);
  }
}

function keyOf(thumbprint: Buffer): SessionKey {
  return { kind: 'dbsc', thumbprint };
}
