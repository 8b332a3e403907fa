import { HttpStatus } from '@nestjs/common';
import { CodedError } from '../common/coded-error.js';

/** Every code that a refusal of the accounts can carry; they are part of the API. */
export type AccountErrorCode =
  | 'invalid_input'
  | 'token_invalid'
  | 'token_used'
  | 'password_mismatch'
  | 'invalid_credentials'
  | 'email_not_verified'
  | 'account_disabled'
  | 'email_taken'
  | 'too_many_attempts'
  | 'recovery_required';

/** A refusal of the accounts. */
export abstract class AccountError extends CodedError<AccountErrorCode> {}

/** What is wrong with one field of a request. */
export interface InputMistake {
  readonly field: string;
  /** A word for programs, such as `too_short`. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
}

/** The request is wrong: `errors` names each field and its mistake. */
export class InvalidInputError extends AccountError {
  static readonly code = 'invalid_input';
  constructor(readonly errors: readonly InputMistake[]) {
    super(HttpStatus.BAD_REQUEST, InvalidInputError.code, errors.map(({ message }) => message).join('; '), { errors });
  }
}

/** The link has expired, was replaced or is unknown. Ask for another one. */
export class TokenInvalidError extends AccountError {
  static readonly code = 'token_invalid';
  constructor() {
    super(
      HttpStatus.BAD_REQUEST,
      TokenInvalidError.code,
      'This link does not work: it has expired or was replaced. Ask for another one',
    );
  }
}

/** The link was used before. */
export class TokenUsedError extends AccountError {
  static readonly code = 'token_used';
  constructor() {
    super(
      HttpStatus.BAD_REQUEST,
      TokenUsedError.code,
      'This link was already used: log in, or ask for another one if it was not you',
    );
  }
}

/**
 * The password is not the one that was chosen at the registration. The link stays valid, also to choose another one.
 */
export class PasswordMismatchError extends AccountError {
  static readonly code = 'password_mismatch';
  constructor() {
    super(
      HttpStatus.BAD_REQUEST,
      PasswordMismatchError.code,
      'This is not the password of the registration: enter that one, or choose a new one',
    );
  }
}

/** Unknown address or wrong password; the answer does not tell which. */
export class InvalidCredentialsError extends AccountError {
  static readonly code = 'invalid_credentials';
  constructor() {
    super(HttpStatus.UNAUTHORIZED, InvalidCredentialsError.code, 'Unknown e-mail address or wrong password');
  }
}

/** The address must be verified first, by the link in the mail. Only those who know the password learn this. */
export class EmailNotVerifiedError extends AccountError {
  static readonly code = 'email_not_verified';
  constructor() {
    super(
      HttpStatus.FORBIDDEN,
      EmailNotVerifiedError.code,
      'The e-mail address is not verified yet: follow the link in the mail',
    );
  }
}

/** An administrator has disabled the account. Only those who know the password learn this. */
export class AccountDisabledError extends AccountError {
  static readonly code = 'account_disabled';
  constructor() {
    super(HttpStatus.FORBIDDEN, AccountDisabledError.code, 'This account is disabled');
  }
}

/** Another account has the address by now. Only those who read that address's mail learn this. */
export class EmailTakenError extends AccountError {
  static readonly code = 'email_taken';
  constructor() {
    super(HttpStatus.CONFLICT, EmailTakenError.code, 'Another account has this e-mail address');
  }
}

/** Try again later. Known and unknown addresses are counted alike. */
export class TooManyAttemptsError extends AccountError {
  static readonly code = 'too_many_attempts';
  /** @param retryAfter seconds */
  constructor(readonly retryAfter: number) {
    super(
      HttpStatus.TOO_MANY_REQUESTS,
      TooManyAttemptsError.code,
      `Too many attempts: try again in ${retryAfter < 120 ? `${retryAfter} seconds` : `${Math.ceil(retryAfter / 60)} minutes`}`,
      { retryAfter },
    );
  }
}

/** After 100 wrong passwords in a row a new one must be chosen. Known and unknown addresses are counted alike. */
export class RecoveryRequiredError extends AccountError {
  static readonly code = 'recovery_required';
  constructor() {
    super(
      HttpStatus.FORBIDDEN,
      RecoveryRequiredError.code,
      'There were too many wrong passwords: choose a new password by a link that is sent to your e-mail address',
    );
  }
}
