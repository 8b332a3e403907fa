import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type InputMistake, InvalidInputError } from '../account.errors.js';
import { ResolvedAccountOptions } from '../options/resolve-account-options.js';
import { normalizePassword } from './password-hasher.js';

/** What is used of @zxcvbn-ts/core, which is an optional package. */
interface GuessEstimator {
  check(password: string, userInputs: string[]): { guessesLog10: number };
}

// zxcvbn's highest score, 4, begins at 10^10 guesses.
const MIN_GUESSES_LOG10 = 10;

// The estimate blocks the event loop. With these limits it takes about 10 ms, and 40 ms for hostile input; with the
// package's defaults (256 and 100) it takes up to 2.5 s.
const MAX_ESTIMATED_LENGTH = 40;
const MAX_SUBSTITUTIONS = 8;

// Shorter pieces of an address or a name, such as "de", occur in too many words.
const MIN_CONTEXT_WORD_LENGTH = 3;

type Refusal = [reason: string, message: string];

/**
 * Which passwords may be chosen, after NIST SP 800-63B-4, section 3.1.1.2. No rule asks for digits or symbols.
 *
 * | password                                                        | reason      |
 * | --------------------------------------------------------------- | ----------- |
 * | shorter than `minLength`, longer than `maxLength`               | `too_short`, `too_long` |
 * | made of the user's address and the service's name alone         | `guessable` |
 * | found by an attacker within 10^10 guesses, as zxcvbn estimates  | `guessable` |
 * | refused by the option `isCompromised`, which replaces zxcvbn    | `common`    |
 */
@Injectable()
export class PasswordPolicy implements OnModuleInit {
  private estimator?: GuessEstimator;

  constructor(private readonly options: ResolvedAccountOptions) {}

  /** @throws Error that says what to install */
  async onModuleInit(): Promise<void> {
    if (!this.options.password.isCompromised) this.estimator = await loadEstimator();
  }

  /**
   * @param field name of the field in the refusal
   * @param email the address of the password's owner
   * @throws InvalidInputError
   */
  async check(field: string, password: string, email: string): Promise<void> {
    const refusal = await this.refusalFor(normalizePassword(password), email);
    if (!refusal) return;
    const [reason, message] = refusal;
    throw new InvalidInputError([{ field, reason, message: `"${field}" ${message}` } satisfies InputMistake]);
  }

  private async refusalFor(password: string, email: string): Promise<Refusal | undefined> {
    const { minLength, maxLength, isCompromised } = this.options.password;
    // NIST counts each code point as one character.
    const { length } = [...password];
    if (length < minLength) return ['too_short', `must have at least ${minLength} characters; several words do well`];
    if (length > maxLength) return ['too_long', `must have at most ${maxLength} characters`];
    const context = contextWords(email, this.options.serviceName);
    if (isMadeOf(context, password)) {
      return ['guessable', 'must not be made of your e-mail address or of the name of this service'];
    }
    if (isCompromised) {
      const message = 'is among the passwords that attackers try first: choose another';
      return (await isCompromised(password)) ? ['common', message] : undefined;
    }
    const { guessesLog10 } = this.estimator!.check(password, context);
    // Random characters of the least length that the application allows are always enough.
    if (guessesLog10 >= Math.min(MIN_GUESSES_LOG10, minLength)) return undefined;
    return ['guessable', 'is too easy to guess: choose several words that do not belong together'];
  }
}

async function loadEstimator(): Promise<GuessEstimator> {
  const packages = ['@zxcvbn-ts/core', '@zxcvbn-ts/language-common', '@zxcvbn-ts/language-en'];
  const loaded = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
    import('@zxcvbn-ts/language-en'),
  ]).catch(() => undefined);
  if (!loaded) {
    throw new Error(
      `AccountModule estimates passwords through the packages ${packages.join(', ')}: run "npm install ${packages.join(' ')}", or write the option "password.isCompromised"`,
    );
  }
  const [{ ZxcvbnFactory }, common, english] = loaded;
  return new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
    maxLength: MAX_ESTIMATED_LENGTH,
    l33tMaxSubstitutions: MAX_SUBSTITUTIONS,
  });
}

/** The words of an address and of the service's name, the longest first. */
function contextWords(email: string, serviceName: string): string[] {
  const words = [email, serviceName].flatMap(text => [bare(text), ...text.split(/[^\p{L}\p{M}\p{N}]+/u).map(bare)]);
  const counted = words.filter(({ length }) => length >= MIN_CONTEXT_WORD_LENGTH);
  return [...new Set(counted)].sort((a, b) => b.length - a.length);
}

/** Whether only digits remain of the password without these words. */
function isMadeOf(words: readonly string[], password: string): boolean {
  const text = bare(password);
  const rest = words.reduce((remaining, word) => remaining.replaceAll(word, ''), text);
  return rest !== text && !/\P{N}/u.test(rest);
}

/** Letters and digits, in lower case. */
function bare(text: string): string {
  return normalizePassword(text)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]/gu, '');
}
