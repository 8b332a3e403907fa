import { applyDecorators } from '@nestjs/common';
import { ValidateBy, ValidateNested } from 'class-validator';
import { describeDuration, type Duration, parseDuration } from './duration.js';
import { DURATION_OPTION, isObject } from './options.js';

/** Says what to write instead of a wrong value, and nothing about a right one. Never repeats the value. */
export type OptionCheck = (value: unknown) => string | undefined;

/** Checks an option. One that is left out is right, unless it is `required`. */
export function Check(check: OptionCheck, { required = false } = {}): PropertyDecorator {
  const mistakeIn = (value: unknown) => (value === undefined && !required ? undefined : check(value));
  return ValidateBy({
    name: 'check',
    validator: {
      validate: value => mistakeIn(value) === undefined,
      defaultMessage: args => mistakeIn(args?.value) ?? '',
    },
  });
}

/** A group of options, which its own class checks. */
export function CheckGroup(): PropertyDecorator {
  return applyDecorators(
    Check(value => (isObject(value) ? undefined : 'write an object')),
    ValidateNested(),
  );
}

/** A duration with a unit, within bounds. The library reads it as milliseconds. */
export function CheckDuration(bounds: DurationBounds = {}): PropertyDecorator {
  return applyDecorators(Check(duration(bounds)), Reflect.metadata(DURATION_OPTION, true));
}

interface DurationBounds {
  readonly min?: Duration;
  readonly max?: Duration;
  /** Also `'none'`. */
  readonly orNone?: boolean;
  /** Also `'0s'`, below `min`. */
  readonly orZero?: boolean;
}

function duration({ min, max, orNone, orZero }: DurationBounds): OptionCheck {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? Infinity];
  return value => {
    if (orNone && value === 'none') return undefined;
    const milliseconds = parseDuration(value);
    if (milliseconds === undefined) return describeDuration(value) + (orNone ? ", or 'none'" : '');
    if (orZero && milliseconds === 0) return undefined;
    if (milliseconds < least) return orZero ? `write '0s', or '${min}' or more` : `write '${min}' or more`;
    if (milliseconds > most) return `write '${max}' or less`;
    return undefined;
  };
}

/** A condition that a value meets or not, with the sentence that says what to write instead. */
export function matching(isRight: (value: unknown) => boolean, mistake: string): OptionCheck {
  return value => (isRight(value) ? undefined : mistake);
}

export function oneOf(values: readonly string[]): OptionCheck {
  return matching(value => values.includes(value as string), `write one of ${values.join(', ')}`);
}

export function pattern(expression: RegExp, mistake: string): OptionCheck {
  return matching(value => typeof value === 'string' && expression.test(value), mistake);
}

/** One line of text. */
export function text(mistake: string): OptionCheck {
  return pattern(/^[^\0\r\n]+$/, mistake);
}

export function trueOrFalse(): OptionCheck {
  return matching(value => typeof value === 'boolean', 'write true or false');
}

/** A whole number within bounds. */
export function wholeNumber(min: number, max = Infinity): OptionCheck {
  return matching(
    value => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    max === Infinity ? `write a whole number of ${min} or more` : `write a whole number from ${min} to ${max}`,
  );
}

export function aFunction(mistake: string): OptionCheck {
  return matching(value => typeof value === 'function', mistake);
}

/** A class that extends another one, or that one itself. */
export function classExtending(parent: abstract new (...args: never[]) => unknown, mistake: string): OptionCheck {
  return matching(
    value =>
      typeof value === 'function' &&
      (value === parent || (value.prototype as object | undefined) instanceof (parent as never as new () => object)),
    mistake,
  );
}

export function arrayOf(check: OptionCheck): OptionCheck {
  return value => (Array.isArray(value) ? value.map(check).find(mistake => mistake !== undefined) : 'write an array');
}

/**
 * One or more secrets of sufficient length. The message gives away neither a secret nor its length.
 *
 * @param last a name that may follow the secrets of a list
 */
export function secrets(minBytes: number, last?: string): OptionCheck {
  return matching(value => {
    const given: unknown[] = Array.isArray(value) ? value : [value];
    const all = last !== undefined && given.at(-1) === last ? given.slice(0, -1) : given;
    return all.length > 0 && all.every(secret => typeof secret === 'string' && Buffer.byteLength(secret) >= minBytes);
  }, `write a random string of at least ${minBytes} bytes, such as the output of "openssl rand -base64 48", or an array of them with the newest first`);
}

/** Where a controller or a route is mounted, or false. */
export function mountedAt(example: string): OptionCheck {
  return matching(
    value => value === false || (isObject(value) && Object.keys(value).join() === 'path' && isPath(value)),
    `write { path: '${example}' } with a path of yours, or false`,
  );
}

function isPath({ path }: { path?: unknown }): boolean {
  return typeof path === 'string' && path !== '';
}
