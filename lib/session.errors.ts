import { HttpStatus } from '@nestjs/common';
import { CodedError } from './common/coded-error.js';
import { type TheftClass, theftClassOf } from './rules/theft.js';

/** Every code that a refusal can carry; they are part of the API. */
export type SessionErrorCode =
  | 'session_missing'
  | 'access_token_expired'
  | 'access_token_invalid'
  | 'session_expired'
  | 'session_revoked'
  | 'refresh_token_invalid'
  | 'refresh_token_unknown'
  | 'token_theft_detected'
  | 'session_key_required'
  | 'key_proof_invalid'
  | 'insufficient_user_authentication'
  | 'csrf_rejected'
  | 'not_while_impersonating'
  | 'session_limit_reached'
  | 'session_not_found'
  | 'invalid_request'
  | 'session_store_unavailable';

/** A refusal of the session module. */
export abstract class SessionError extends CodedError<SessionErrorCode> {
  declare private readonly subject?: string;

  /** The session that was refused, for events and logs; no part of the body. */
  get sessionId(): string | undefined {
    return this.subject;
  }

  /** Says which session the refusal is about. */
  about(sessionId: string): this {
    Object.defineProperty(this, 'subject', { value: sessionId, enumerable: false, configurable: true });
    return this;
  }

  /** The session has ended for this client: cookies that carried the refused token are cleared. */
  get endsSession(): boolean {
    return false;
  }

  /** The access cookie is of no use, and a browser that has the key of the session gets another one without it. */
  get endsAccessCookie(): boolean {
    return false;
  }

  endingAccessCookie(): this {
    Object.defineProperty(this, 'endsAccessCookie', { value: true, enumerable: false });
    return this;
  }

  /** Says that the client must forget the session in any case. */
  endingSession(): this {
    Object.defineProperty(this, 'endsSession', { value: true, enumerable: false });
    return this;
  }
}

abstract class UnauthorizedSessionError extends SessionError {
  protected constructor(errorCode: SessionErrorCode, message: string, details?: object) {
    super(HttpStatus.UNAUTHORIZED, errorCode, message, details);
  }
}

abstract class EndedSessionError extends UnauthorizedSessionError {
  override get endsSession(): boolean {
    return true;
  }
}

/** No credentials came with the request: log in. */
export class SessionMissingError extends UnauthorizedSessionError {
  static readonly code = 'session_missing';
  constructor(
    message = 'No session: log in, and send the session cookies or an Authorization: Bearer header. A page of another origin sends cookies only by fetch with credentials: "include"',
  ) {
    super(SessionMissingError.code, message);
  }
}

/** Refresh, then repeat. */
export class AccessTokenExpiredError extends UnauthorizedSessionError {
  static readonly code = 'access_token_expired';
  constructor(message = 'The access token has expired: refresh, then repeat the request') {
    super(AccessTokenExpiredError.code, message);
  }
}

/** Refresh, then repeat. */
export class AccessTokenInvalidError extends UnauthorizedSessionError {
  static readonly code = 'access_token_invalid';
  constructor(message = 'The access token is not valid here: refresh, then repeat the request') {
    super(AccessTokenInvalidError.code, message);
  }
}

/** Log in. */
export class SessionExpiredError extends EndedSessionError {
  static readonly code = 'session_expired';
  constructor(message = 'The session has expired: log in again') {
    super(SessionExpiredError.code, message);
  }
}

/** Log in. */
export class SessionRevokedError extends EndedSessionError {
  static readonly code = 'session_revoked';
  /** @param isReplaced by a new login of the same client */
  constructor(
    message = 'The session was ended: log in again',
    private readonly isReplaced = false,
  ) {
    super(SessionRevokedError.code, message);
  }

  /**
   * The cookies of the new session may have reached the client before this refusal, and would be cleared in its place.
   */
  override get endsSession(): boolean {
    return !this.isReplaced;
  }
}

/** Log in. */
export class RefreshTokenInvalidError extends EndedSessionError {
  static readonly code = 'refresh_token_invalid';
  constructor(message = 'This is not a refresh token of this application: log in again') {
    super(RefreshTokenInvalidError.code, message);
  }
}

/**
 * Log in. The refresh token is one of this application, and the database does not know it: a failover or the restore of
 * a backup has lost the commit that stored it.
 */
export class RefreshTokenUnknownError extends EndedSessionError {
  static readonly code = 'refresh_token_unknown';
  constructor(message = 'The server has lost the record of this refresh token: log in again') {
    super(RefreshTokenUnknownError.code, message);
  }
}

/** Log in, and tell the user: a refresh token of this session was used by two parties. */
export class TokenTheftDetectedError extends EndedSessionError {
  static readonly code = 'token_theft_detected';
  constructor(readonly theftClass: TheftClass) {
    super(
      TokenTheftDetectedError.code,
      'A refresh token of this session was used by two parties, so somebody may have a copy of it. The session was ended: log in again',
      { class: theftClass },
    );
  }
}

/**
 * The session is bound to a key, or must be, and no proof of the key came: log in. Nothing has ended. Where the owner of
 * the session has its key, somebody else has sent a copy of the token.
 */
export class SessionKeyRequiredError extends SessionError {
  static readonly code = 'session_key_required';
  constructor(
    message = 'The session is bound to a key: send a proof of that key, or log in again',
    status = HttpStatus.UNAUTHORIZED,
  ) {
    super(status, SessionKeyRequiredError.code, message);
  }

  /** For a session without a key on a route that needs one: the session itself is not refused. */
  static ofUnbound(): SessionKeyRequiredError {
    return new SessionKeyRequiredError(
      'This needs a session that is bound to a key: log in with a client that can prove one',
      HttpStatus.FORBIDDEN,
    );
  }
}

/** The proof that came is malformed, of another key, or not meant for this request: make a new one. Nothing has ended. */
export class KeyProofInvalidError extends SessionError {
  static readonly code = 'key_proof_invalid';
  constructor(
    message = 'The proof is not one of the key that the session is bound to',
    status = HttpStatus.UNAUTHORIZED,
  ) {
    super(status, KeyProofInvalidError.code, message);
  }

  /** Whether a proof with the nonce of the answer would be accepted (RFC 9449, section 9). */
  get isAboutNonce(): boolean {
    return false;
  }

  asksForNonce(): this {
    Object.defineProperty(this, 'isAboutNonce', { value: true, enumerable: false });
    return this;
  }
}

/** Log in again, then repeat (RFC 9470). */
export class InsufficientUserAuthenticationError extends UnauthorizedSessionError {
  static readonly code = 'insufficient_user_authentication';
  /** @param maxAge seconds that may have passed since the login */
  constructor(readonly maxAge: number) {
    super(InsufficientUserAuthenticationError.code, 'This needs a recent login: log in again, then repeat the request');
  }
}

/** The session is an impersonation, which must not do this: end it first. */
export class NotWhileImpersonatingError extends SessionError {
  static readonly code = 'not_while_impersonating';
  constructor(message = 'This is refused while you impersonate the user: end the impersonation first') {
    super(HttpStatus.FORBIDDEN, NotWhileImpersonatingError.code, message);
  }
}

/** The user has as many sessions as the application allows. */
export class SessionLimitReachedError extends SessionError {
  static readonly code = 'session_limit_reached';
  constructor() {
    super(
      HttpStatus.FORBIDDEN,
      SessionLimitReachedError.code,
      'There are as many sessions of this user as are allowed: log out on another device first',
    );
  }
}

/** The user has no live session of that id. */
export class SessionNotFoundError extends SessionError {
  static readonly code = 'session_not_found';
  constructor(message = 'You have no session of that id') {
    super(HttpStatus.NOT_FOUND, SessionNotFoundError.code, message);
  }
}

/** The request came from a page of another site. */
export class CsrfRejectedError extends SessionError {
  static readonly code = 'csrf_rejected';
  constructor(message: string) {
    super(HttpStatus.FORBIDDEN, CsrfRejectedError.code, message);
  }
}

/** The request is malformed: correct it before sending it again. */
export class InvalidRequestError extends SessionError {
  static readonly code = 'invalid_request';
  constructor(message: string) {
    super(HttpStatus.BAD_REQUEST, InvalidRequestError.code, message);
  }
}

/** Try again after `Retry-After`; repeating is safe. */
export class SessionStoreUnavailableError extends SessionError {
  static readonly code = 'session_store_unavailable';
  constructor(message = 'The session store cannot be reached: try again; repeating is safe') {
    super(HttpStatus.SERVICE_UNAVAILABLE, SessionStoreUnavailableError.code, message);
  }
}

/** The reason of a session that a new login from the same client has replaced. */
export const REPLACED = 'replaced';

/** The error for a session that ended for the given reason. */
export function revokedError(reason: string): SessionError {
  const theftClass = theftClassOf(reason);
  return theftClass ? new TokenTheftDetectedError(theftClass) : new SessionRevokedError(undefined, reason === REPLACED);
}

/**
 * A mistake in the application's code, such as a user id that is a number. It is no refusal: Nest logs it with its stack
 * and answers 500 without the message, which is not for clients.
 */
export class SessionUsageError extends Error {
  override readonly name = 'SessionUsageError';
}
