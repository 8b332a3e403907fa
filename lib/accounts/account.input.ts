import { getMetadataStorage, isEmail, ValidateBy, validateSync } from 'class-validator';
import { type InputMistake, InvalidInputError } from './account.errors.js';
import { MAX_EMAIL_LENGTH } from './account.email.js';

// Far more than the longest password that any option allows.
const MAX_TEXT_LENGTH = 4096;
const UNSTORABLE = /\0|\p{Surrogate}/u;
// A quoted local part can hold what ends a header, or reads as another address in between.
const QUOTED = /["\p{Cc}]/u;

/** A field with a reason for programs and a sentence for people; the name of the constraint is the reason. */
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
      defaultMessage: args => `"${args!.property}" must be a text`,
    },
  });
const IsSane = () => Is('malformed', 'holds characters that no text has', value => !UNSTORABLE.test(value));
const IsBounded = () =>
  Is('too_long', `must have at most ${MAX_TEXT_LENGTH} characters`, value => value.length <= MAX_TEXT_LENGTH);
const IsAddress = () =>
  Is('not_an_email', 'must be an e-mail address such as ada@example.com', value => value === '' || isAddress(value));

export function isAddress(text: string): boolean {
  if (text.length > MAX_EMAIL_LENGTH || UNSTORABLE.test(text) || QUOTED.test(text)) return false;
  // A spelling that only looks like another address (`ſ` for `s`) has that one's key, and would keep its owner out.
  return text.normalize('NFC') === text.normalize('NFKC') && isEmail(text);
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

export class TokenDto {
  @IsText()
  @IsBounded()
  token!: string;
}

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
 * Reads a body as the given class, by itself: with no ValidationPipe in the application, and with the strictest.
 *
 * @throws InvalidInputError that names each field and what is wrong with it
 */
export function readInput<T extends object>(type: new () => T, body: unknown): T {
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
    if (known.has(field)) Object.assign(input, { [field]: field === 'email' ? trimmed(value) : value });
    else mistakes.push({ field, reason: 'unknown_field', message: `"${field}" is not known here` });
  }
  for (const { property, constraints } of validateSync(input)) {
    const [reason, message] = Object.entries(constraints!).at(-1)!;
    mistakes.push({ field: property, reason, message });
  }
  if (mistakes.length > 0) throw new InvalidInputError(mistakes);
  return input;
}

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.trim() : value;
}
