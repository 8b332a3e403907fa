import {
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  type SessionError,
  SessionMissingError,
  SessionStoreUnavailableError,
} from '../session.errors.js';

const RETRY_AFTER_SECONDS = '1';

/** The headers of a refusal, beside cookies. */
export function refusalHeaders(error: SessionError): [name: string, value: string][] {
  if (error instanceof SessionStoreUnavailableError) return [['Retry-After', RETRY_AFTER_SECONDS]];
  if (error.getStatus() !== 401) return [];
  return [
    ['WWW-Authenticate', challenge(error)],
    ['Cache-Control', 'no-store'],
  ];
}

/**
 * RFC 6750, section 3: no error where no credentials came. `error_code` is our own: it also reaches clients of
 * applications whose filters write other bodies.
 */
function challenge(error: SessionError): string {
  if (error instanceof SessionMissingError || error instanceof InvalidRequestError) return 'Bearer';
  if (error instanceof InsufficientUserAuthenticationError) {
    // RFC 9470, section 3.
    return `Bearer error="insufficient_user_authentication", error_code="${error.errorCode}", error_description="${error.message}", max_age="${error.maxAge}"`;
  }
  return `Bearer error="invalid_token", error_code="${error.errorCode}", error_description="${error.message.replaceAll(/["\\]/g, '')}"`;
}
