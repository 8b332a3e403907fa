import {
  getMetadataStorage,
  isEmail,
  validate,
  ValidateBy,
  ValidateIf,
  validateSync,
  type ValidationError,
} from 'class-validator';
import { type InputMistake, InvalidInputError } from './account.errors.js';
import { isUnambiguous, MAX_EMAIL_LENGTH, toNormalForm } from './account.email.js';

// Far more than the longest password that any option allows.
const MAX_TEXT_LENGTH = 4096;
/** More than any address or token has, also in a decomposed form and with what a mail program has added. */
const MAX_CLEANED_LENGTH = 4 * MAX_EMAIL_LENGTH;
/** Somebody could otherwise have an answer made that is many times as long as the request. */
const MAX_UNKNOWN_FIELDS = 20;
const WORD = /[\w-]/;
/**
 * What cannot be stored, and more than 30 combining marks in a row: no language has them (UAX #15, Stream-Safe Text
 * Format), and the time for Unicode's normal forms grows with the square of their number.
 */
const MALFORMED = /\0|\p{Surrogate}|\p{M}{31}/u;
// A quoted local part can end a header, or contain what reads as another address.
const QUOTED = /["\p{Cc}]/u;

/** A check of a field. The name of the constraint is the reason for programs; the sentence is for people. */
function Is(reason: string, sentence: string, test: (value: string) => boolean): PropertyDecorator {
  return ValidateBy({
    name: reason,
    validator: {
      validate: value => typeof value !== 'string' || test(value),
      defaultMessage: args => `"${args!.property}" ${sentence}`,
    },
  });
}

const IsText = () =>
  ValidateBy({
    name: 'missing',
    validator: {
      validate: value => typeof value === 'string' && value !== '',
      defaultMessage: args => `"${args!.property}" must be text`,
    },
  });
const IsTrueOrFalse = () =>
  ValidateBy({
    name: 'not_a_boolean',
    validator: {
      validate: value => typeof value === 'boolean',
      defaultMessage: args => `"${args!.property}" must be true or false`,
    },
  });
const IsSane = () => Is('malformed', 'contains characters that text cannot contain', value => !MALFORMED.test(value));
const IsBounded = () =>
  Is('too_long', `must have at most ${MAX_TEXT_LENGTH} characters`, value => value.length <= MAX_TEXT_LENGTH);
const IsAddress = () =>
  Is('not_an_email', 'must be an e-mail address such as ada@example.com', value => value === '' || isAddress(value));

function isAddress(text: string): boolean {
  if (text.length > MAX_EMAIL_LENGTH || MALFORMED.test(text) || QUOTED.test(text)) return false;
  return isUnambiguous(text) && isEmail(text);
}

export class EmailDto {
  @IsText()
  @IsAddress()
  email!: string;
}

export class CredentialsDto extends EmailDto {
  @IsText()
  @IsSane()
  @IsBounded()
  password!: string;
}

/** `remember: false` is for cookies that end with the browser. */
export class LogInDto extends CredentialsDto {
  @ValidateIf(({ remember }: LogInDto) => remember !== undefined)
  @IsTrueOrFalse()
  remember?: boolean;
}

export class TokenDto {
  @IsText()
  @IsBounded()
  token!: string;
}

/** `password` is the one of the registration; with `newPassword` the owner of the address chooses another one. */
export class VerifyEmailDto extends TokenDto {
  @ValidateIf(({ newPassword }: VerifyEmailDto) => newPassword === undefined)
  @IsText()
  @IsSane()
  @IsBounded()
  password?: string;

  @ValidateIf(({ newPassword }: VerifyEmailDto) => newPassword !== undefined)
  @IsText()
  @IsSane()
  @IsBounded()
  newPassword?: string;
}

/** `password` is the one of the account that asked for the address. */
export class ConfirmEmailDto extends TokenDto {
  @IsText()
  @IsSane()
  @IsBounded()
  password!: string;
}

/** `password` is a new one. */
export class ResetPasswordDto extends TokenDto {
  @IsText()
  @IsSane()
  @IsBounded()
  password!: string;
}

export class PasswordDto {
  @IsText()
  @IsSane()
  @IsBounded()
  password!: string;
}

export class ChangeEmailDto extends EmailDto {
  @IsText()
  @IsSane()
  @IsBounded()
  password!: string;
}

export class ChangePasswordDto {
  @IsText()
  @IsSane()
  @IsBounded()
  currentPassword!: string;

  @IsText()
  @IsSane()
  @IsBounded()
  newPassword!: string;
}

/**
 * Reads a body as the given class. It needs no ValidationPipe in the application, and no pipe gets in its way.
 *
 * @throws InvalidInputError that names each field and what is wrong with it
 */
export function readInput<T extends object>(type: new () => T, body: unknown): T {
  const [input, unknownFields] = fill(type, body);
  return accepted(input, unknownFields, validateSync(input));
}

/** The same for a class of the application, whose validators may be asynchronous: `validateSync` skips those. */
export async function readApplicationInput<T extends object>(type: new () => T, body: unknown): Promise<T> {
  const [input, unknownFields] = fill(type, body);
  return accepted(input, unknownFields, await validate(input));
}

function fill<T extends object>(type: new () => T, body: unknown): [input: T, unknownFields: InputMistake[]] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new InvalidInputError([{ field: '', reason: 'missing', message: 'The body must be a JSON object' }]);
  }
  const known = new Set(
    getMetadataStorage()
      .getTargetValidationMetadatas(type, '', false, false)
      .map(({ propertyName }) => propertyName),
  );
  const input = new type();
  const mistakes: InputMistake[] = [];
  for (const [field, value] of Object.entries(body)) {
    // Only known names are written: `__proto__` would change what is validated.
    if (known.has(field)) Object.assign(input, { [field]: cleaned(field, value) });
    else if (mistakes.length < MAX_UNKNOWN_FIELDS)
      mistakes.push({ field, reason: 'unknown_field', message: `"${field}" is not a known field` });
  }
  return [input, mistakes];
}

function accepted<T extends object>(input: T, unknownFields: InputMistake[], errors: ValidationError[]): T {
  const mistakes = [...unknownFields, ...errors.map(mistakeOf)];
  if (mistakes.length > 0) throw new InvalidInputError(mistakes);
  return input;
}

function mistakeOf({ property, constraints = {} }: ValidationError): InputMistake {
  // An error of a nested object has no constraint of its own.
  const [reason, message] = Object.entries(constraints).at(-1) ?? ['malformed', `"${property}" is malformed`];
  return { field: property, reason, message };
}

function cleaned(field: string, value: unknown): unknown {
  // Long texts are refused later. Until then nothing is done with them: Unicode's normal forms take time that grows with
  // the square of the length.
  if (typeof value !== 'string' || value.length > MAX_CLEANED_LENGTH) return value;
  if (field === 'email') return toNormalForm(value.trim());
  return field === 'token' ? withoutTail(value.trim()) : value;
}

/** Mail programs take what follows a link for a part of it. Not a regular expression, which would take quadratic time. */
function withoutTail(token: string): string {
  let end = token.length;
  while (end > 0 && !WORD.test(token[end - 1]!)) end--;
  return token.slice(0, end);
}
