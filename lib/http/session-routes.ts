import { ApiRoute, type RouteDescription } from '../common/open-api.js';
import { SessionErrorResponse } from './responses.js';

/** What the guard refuses. */
const NO_SESSION = [
  'session_missing',
  'access_token_expired',
  'access_token_invalid',
  'session_revoked',
  'token_theft_detected',
  'session_key_required',
  'key_proof_invalid',
];

const NO_REFRESH = [
  'session_missing',
  'refresh_token_invalid',
  'refresh_token_unknown',
  'session_expired',
  'session_revoked',
  'token_theft_detected',
  'session_key_required',
  'key_proof_invalid',
];

const STORE_UNAVAILABLE = { 503: ['session_store_unavailable'] };

/** The refusals of each kind of route. */
export const REFUSALS = {
  read: { 401: NO_SESSION, ...STORE_UNAVAILABLE },
  write: { 401: NO_SESSION, 403: ['csrf_rejected'], ...STORE_UNAVAILABLE },
  refresh: { 400: ['invalid_request'], 401: NO_REFRESH, 403: ['csrf_rejected'], ...STORE_UNAVAILABLE },
  logOut: { 400: ['invalid_request'], 403: ['csrf_rejected'], ...STORE_UNAVAILABLE },
  introspect: { 400: ['invalid_request'], ...STORE_UNAVAILABLE },
  revocations: { 400: ['invalid_request'], ...STORE_UNAVAILABLE },
};

/** Describes a route of sessions for @nestjs/swagger. */
export function SessionRoute(route: Omit<RouteDescription, 'refusal'>): MethodDecorator {
  return ApiRoute({ refusal: SessionErrorResponse, ...route });
}
