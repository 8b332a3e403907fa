import { DPOP_ALGORITHMS } from '../tokens/dpop-proof.js';
import {
  InsufficientUserAuthenticationError,
  InvalidRequestError,
  KeyProofInvalidError,
  type SessionError,
  SessionMissingError,
  SessionStoreUnavailableError,
} from '../session.errors.js';

const RETRY_AFTER_SECONDS = '1';

/**
 * The headers of a refusal, beside cookies.
 *
 * @param isDpop whether the client is to prove a key (RFC 9449, section 7.1)
 */
export function refusalHeaders(error: SessionError, isDpop = false): [name: string, value: string][] {
  if (error instanceof SessionStoreUnavailableError) return [['Retry-After', RETRY_AFTER_SECONDS]];
  if (error.getStatus() !== 401) return [];
  return [
    ['WWW-Authenticate', challenge(error, isDpop)],
    ['Cache-Control', 'no-store'],
  ];
}

/**
 * RFC 6750, section 3, and RFC 9449, section 7.1: no error where no credentials came. `error_code` is our own: it also
 * reaches clients of applications whose filters write other bodies.
 */
function challenge(error: SessionError, isDpop: boolean): string {
  const isAboutCredentials = !(error instanceof SessionMissingError || error instanceof InvalidRequestError);
  const parameters = [
    ...(isDpop ? [`algs="${DPOP_ALGORITHMS}"`] : []),
    ...(isAboutCredentials
      ? [
          `error="${errorOf(error, isDpop)}"`,
          `error_code="${error.errorCode}"`,
          `error_description="${error.message.replaceAll(/["\\]/g, '')}"`,
        ]
      : []),
    ...(error instanceof InsufficientUserAuthenticationError ? [`max_age="${error.maxAge}"`] : []),
  ];
  return `${isDpop ? 'DPoP' : 'Bearer'} ${parameters.join(', ')}`.trimEnd();
}

function errorOf(error: SessionError, isDpop: boolean): string {
  // RFC 9470, section 3.
  if (error instanceof InsufficientUserAuthenticationError) return 'insufficient_user_authentication';
  if (!isDpop || !(error instanceof KeyProofInvalidError)) return 'invalid_token';
  return error.isAboutNonce ? 'use_dpop_nonce' : 'invalid_dpop_proof';
}
