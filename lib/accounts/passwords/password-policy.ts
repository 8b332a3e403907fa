import { Injectable } from '@nestjs/common';
import { type InputMistake, InvalidInputError } from '../account.errors.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { COMMON_PASSWORDS } from './common-passwords.js';
import { normalizePassword } from './password-hasher.js';

// What fingers walk along. A password that is a piece of one of these, or of its reverse, is no password.
const WALKS = ['1234567890', 'abcdefghijklmnopqrstuvwxyz', 'qwertyuiopasdfghjklzxcvbnm', '1q2w3e4r5t6y7u8i9o0p']
  .map(walk => walk.repeat(8))
  .flatMap(walk => [walk, [...walk].toReversed().join('')]);

const SHORTEST_UNIT = 5;

/**
 * Which passwords may be chosen, after NIST SP 800-63B-4, section 3.1.1.2: long enough, not known to attackers, not the
 * address or the service's name. No rule asks for digits or symbols.
 */
@Injectable()
export class PasswordPolicy {
  constructor(private readonly options: ResolvedAccountOptions) {}

  /**
   * @param field what the refusal calls it
   * @param email whose password it shall be
   * @throws InvalidInputError
   */
  async check(field: string, password: string, email: string): Promise<void> {
    const mistake = await this.find(normalizePassword(password), email);
    if (!mistake) return;
    const [reason, message] = mistake;
    throw new InvalidInputError([{ field, reason, message: `"${field}" ${message}` } satisfies InputMistake]);
  }

  private async find(password: string, email: string): Promise<[reason: string, message: string] | undefined> {
    const { minLength, maxLength, isCompromised } = this.options.password;
    // Code points: NIST counts each as one character.
    const { length } = [...password];
    if (length < minLength) return ['too_short', `must have at least ${minLength} characters; several words do well`];
    if (length > maxLength) return ['too_long', `must have at most ${maxLength} characters`];
    if (this.isContext(password, email)) {
      return ['guessable', 'must not be made of your e-mail address or of the name of this service'];
    }
    if (isMonotonous(bare(password))) return ['guessable', 'must not be a repetition or a row of keys'];
    if (await (isCompromised ?? isCommon)(password)) {
      return ['common', 'is among the passwords that attackers try first: choose another'];
    }
    return undefined;
  }

  /** The whole password counts, with what is put around it to make it look different; never a part of it (NIST). */
  private isContext(password: string, email: string): boolean {
    const [local = '', domain = ''] = email.split('@');
    const words = [email, local, domain, domain.split('.')[0]!, this.options.serviceName].map(bare);
    const plain = unitOf(bare(password));
    const trimmed = unitOf(bare(password).replaceAll(/^\d+|\d+$/g, ''));
    return words.some(word => word !== '' && (word === plain || word === trimmed));
  }
}

function isCommon(password: string): boolean {
  const lower = password.toLowerCase();
  return [lower, bare(password), unitOf(bare(password))].some(form => COMMON_PASSWORDS.has(form));
}

function isMonotonous(text: string): boolean {
  return text.length > 0 && (unitOf(text).length < SHORTEST_UNIT || WALKS.some(walk => walk.includes(text)));
}

/** Letters and digits, in lower case. */
function bare(text: string): string {
  return normalizePassword(text)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]/gu, '');
}

/** What a text repeats: `abc` of `abcabcab`, or the text itself. */
function unitOf(text: string): string {
  for (let length = 1; length <= text.length / 2; length++) {
    const unit = text.slice(0, length);
    if (unit.repeat(Math.ceil(text.length / length)).startsWith(text)) return unit;
  }
  return text;
}
