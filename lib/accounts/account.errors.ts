import { HttpStatus } from '@nestjs/common';
import { CodedError } from '../common/coded-error.js';

/** Every code that a refusal of the accounts can carry; they are part of the API. */
export type AccountErrorCode =
  | 'invalid_input'
  | 'token_invalid'
  | 'invalid_credentials'
  | 'email_not_verified'
  | 'account_disabled'
  | 'email_taken'
  | 'too_many_attempts';

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

/** Mend the request: `errors` names each field and what is wrong with it. */
export class InvalidInputError extends AccountError {
  static readonly code = 'invalid_input';
  constructor(readonly errors: readonly InputMistake[]) {
    super(HttpStatus.BAD_REQUEST, InvalidInputError.code, errors.map(({ message }) => message).join('; '), { errors });
  }
}

/** The link was used, is too old, or is none of ours: ask for another. Which of these it is, is told nobody. */
export class TokenInvalidError extends AccountError {
  static readonly code = 'token_invalid';
  constructor() {
    super(
      HttpStatus.BAD_REQUEST,
      TokenInvalidError.code,
      'This link does not work: it was used already, or is too old. Ask for another one',
    );
  }
}

/** Unknown address or wrong password: which of the two is told nobody. */
export class InvalidCredentialsError extends AccountError {
  static readonly code = 'invalid_credentials';
  constructor() {
    super(HttpStatus.UNAUTHORIZED, InvalidCredentialsError.code, 'Unknown e-mail address or wrong password');
  }
}

/** Follow the link in the mail first. Only who knows the password learns this. */
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

/** An administrator has disabled the account. Only who knows the password learns this. */
export class AccountDisabledError extends AccountError {
  static readonly code = 'account_disabled';
  constructor() {
    super(HttpStatus.FORBIDDEN, AccountDisabledError.code, 'This account is disabled');
  }
}

/** Another account has the address by now. Only who reads that address's mail learns this. */
export class EmailTakenError extends AccountError {
  static readonly code = 'email_taken';
  constructor() {
    super(HttpStatus.CONFLICT, EmailTakenError.code, 'Another account has this e-mail address');
  }
}

/** Try again later. Counted alike for known and unknown addresses. */
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
