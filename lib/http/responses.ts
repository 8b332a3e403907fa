import { ApiField } from '../common/open-api.js';
import type { SessionErrorCode } from '../session.errors.js';
import type { KeyKind } from '../rules/session-key.js';
import type { SessionActor, SessionClaims } from '../session.types.js';

/** The answer of `POST /session/refresh`. */
export class RefreshResponse {
  @ApiField({ type: 'integer', description: 'Seconds until the access token expires' })
  readonly expiresIn!: number;

  @ApiField({ type: 'string', format: 'date-time', description: 'When the session ends unless it is refreshed' })
  readonly expiresAt!: Date;

  @ApiField({ type: 'string', required: false, description: 'Only if the refresh token came in the body' })
  readonly accessToken?: string;

  @ApiField({
    type: 'string',
    required: false,
    description: 'Only if it is a new one, and the former one came in the body',
  })
  readonly refreshToken?: string;

  @ApiField({ type: 'string', required: false, enum: ['Bearer', 'DPoP'] })
  readonly tokenType?: 'Bearer' | 'DPoP';
}

/** The answer of `GET /session`. */
export class SessionResponse {
  @ApiField({ type: 'string', format: 'uuid' })
  readonly id!: string;

  @ApiField({ type: 'string' })
  readonly userId!: string;

  @ApiField({ type: 'object', additionalProperties: true })
  readonly claims!: SessionClaims;

  @ApiField({ type: 'string', format: 'date-time' })
  readonly createdAt!: Date;

  @ApiField({ type: 'string', format: 'date-time' })
  readonly expiresAt!: Date;

  @ApiField({ type: 'string', required: false, enum: ['dbsc', 'dpop'], description: 'Only if it is bound to a key' })
  readonly boundBy?: KeyKind;

  @ApiField({
    type: 'object',
    required: false,
    additionalProperties: true,
    description: 'Only in an impersonation: `userId` and `sessionId` of who acts as the user',
  })
  readonly actor?: SessionActor;
}

/** An element of the answer of `GET /session/devices`. */
export class DeviceResponse {
  @ApiField({ type: 'string', format: 'uuid' })
  readonly id!: string;

  @ApiField({ type: 'string', nullable: true, description: 'The label of the login, or a name of the user agent' })
  readonly label!: string | null;

  @ApiField({ type: 'string', nullable: true })
  readonly ip!: string | null;

  @ApiField({ type: 'string', format: 'date-time' })
  readonly createdAt!: Date;

  @ApiField({ type: 'string', format: 'date-time' })
  readonly lastSeenAt!: Date;

  @ApiField({ type: 'string', nullable: true, enum: ['dbsc', 'dpop'], description: 'How it is bound to a key' })
  readonly boundBy!: KeyKind | null;

  @ApiField({ type: 'boolean', description: 'Whether it is the session of this request' })
  readonly current!: boolean;
}

/** The answer of `POST /session/logout-others` and `POST /session/logout-all`. */
export class EndedResponse {
  @ApiField({ type: 'integer', description: 'How many sessions have ended' })
  readonly ended!: number;
}

/** The answer of `POST /session/verify` (RFC 7662). */
export class IntrospectionResponse {
  @ApiField({ type: 'boolean', description: 'Without any other member if the token is not accepted' })
  readonly active!: boolean;

  readonly [claim: string]: unknown;
}

/** The answer of `GET /session/revocations`: revocations of about the last lifetime of an access token. */
export class RevocationsResponse {
  @ApiField({ type: 'string', description: 'To be sent as `after` with the next request' })
  readonly cursor!: string;

  @ApiField({ type: 'boolean', description: 'Whether there is another page' })
  readonly more!: boolean;

  @ApiField({ type: 'array', items: { type: 'object' }, description: 'Sessions that ended: `id`, `reason`' })
  readonly sessions!: readonly object[];

  @ApiField({
    type: 'array',
    items: { type: 'object' },
    description: 'Users whose access tokens below `version` (claim `access_version`) are refused: `id`, `version`',
  })
  readonly users!: readonly object[];

  @ApiField({
    type: 'array',
    items: { type: 'object' },
    description: 'Sessions whose access tokens below `version` (claim `token_version`) are refused: `id`, `version`',
  })
  readonly claims!: readonly object[];

  @ApiField({ type: 'array', items: { type: 'string' }, description: 'The ids of all distrusted keys' })
  readonly keys!: readonly string[];

  @ApiField({
    type: 'object',
    additionalProperties: true,
    description: '`sessions`, `users` and `claims` that count until the next answer repeats them or not',
  })
  readonly hints!: object;
}

/** Every refusal. */
export class SessionErrorResponse {
  @ApiField({ type: 'integer' })
  readonly statusCode!: number;

  @ApiField({ type: 'string' })
  readonly error!: string;

  @ApiField({ type: 'string' })
  readonly errorCode!: SessionErrorCode;

  @ApiField({ type: 'string' })
  readonly message!: string;

  @ApiField({ type: 'string', required: false, description: 'How a theft was detected' })
  readonly class?: string;
}
