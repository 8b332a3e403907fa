import { ApiField } from '../common/open-api.js';
import { RefreshResponse } from '../index.js';
import type { InputMistake } from './account.errors.js';
import type { AccountView } from './account.types.js';

/** The answer of `GET /account`. */
export class AccountResponse implements AccountView {
  @ApiField({ type: 'string', format: 'uuid' })
  readonly id!: string;

  @ApiField({ type: 'string', format: 'email' })
  readonly email!: string;

  @ApiField({ type: 'string' })
  readonly role!: string;

  @ApiField({ type: 'boolean', description: 'Whether the address was verified' })
  readonly verified!: boolean;

  @ApiField({ type: 'boolean', description: 'Whether an administrator has disabled the account' })
  readonly disabled!: boolean;

  @ApiField({ type: 'string', format: 'date-time' })
  readonly createdAt!: Date;
}

/** The answer of `POST /account/login`. */
export class AccountLogInResponse extends RefreshResponse {
  @ApiField({ type: () => AccountResponse })
  readonly account!: AccountView;

  @ApiField({
    type: 'string',
    required: false,
    description: 'Only for bearer clients: kept beyond the log-out, and sent as `Session-Device` with the next login',
  })
  readonly deviceToken?: string;
}

/** The answer of a link that verifies, confirms or restores an address. */
export class EmailResponse {
  @ApiField({ type: 'string', format: 'email' })
  readonly email!: string;
}

/** The answer of `GET /account/export`. */
export class AccountExportResponse {
  @ApiField({ type: 'object', additionalProperties: true, description: 'Every column but the hash of the password' })
  readonly account!: Record<string, unknown>;

  @ApiField({ type: 'string', nullable: true, description: 'An address that waits for its confirmation' })
  readonly pendingEmail!: string | null;

  @ApiField({ type: 'array', items: { type: 'object', additionalProperties: true } })
  readonly sessions!: readonly object[];

  @ApiField({ type: 'array', items: { type: 'object', additionalProperties: true } })
  readonly devices!: readonly object[];
}

/** Every refusal. */
export class AccountErrorResponse {
  @ApiField({ type: 'integer' })
  readonly statusCode!: number;

  @ApiField({ type: 'string' })
  readonly error!: string;

  @ApiField({ type: 'string' })
  readonly errorCode!: string;

  @ApiField({ type: 'string' })
  readonly message!: string;

  @ApiField({
    type: 'array',
    required: false,
    description: 'The mistake of each field, with invalid_input',
    items: {
      type: 'object',
      properties: { field: { type: 'string' }, reason: { type: 'string' }, message: { type: 'string' } },
    },
  })
  readonly errors?: readonly InputMistake[];

  @ApiField({ type: 'integer', required: false, description: 'Seconds to wait, with too_many_attempts' })
  readonly retryAfter?: number;
}
