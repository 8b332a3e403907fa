import { type Duration, parseDuration } from './duration.js';

/**
 * A class of options. Each property is one option: its initialiser is the default, its decorator the check, its doc
 * comment the documentation. A property that holds another group nests the options of that group.
 *
 * Two types derive from the class: `Given` is what applications write, `Resolved` is what the library reads.
 */
export abstract class OptionGroup {
  /** Makes the type nominal: other objects are values of an option, not groups. */
  protected readonly isOptionGroup?: never;
}

/** What applications write: every option may be left out, and durations are any string. */
export type Given<T> = {
  [K in keyof T]?: T[K] extends OptionGroup ? Given<T[K]> : IsDurationType<T[K]> extends true ? string : T[K];
};

/** What the library reads: defaults are filled in, durations are milliseconds, and `'none'` for a duration is null. */
export type Resolved<T> = {
  readonly [K in keyof T]: T[K] extends OptionGroup
    ? Resolved<T[K]>
    : IsDurationType<T[K]> extends true
      ? number | ('none' extends T[K] ? null : never)
      : T[K];
};

type IsDurationType<T> = [Extract<T, Duration>] extends [never] ? false : true;

/** The parent of the classes that resolved options are injected by: it has their type and nothing else. */
export function optionsToken<T extends object>(): abstract new () => T {
  abstract class OptionsToken {}
  return OptionsToken as abstract new () => T;
}

/** Metadata key of the properties that hold a duration. */
export const DURATION_OPTION = 'nestjs-jwt-session:duration-option';

/** A new group with the given options. Those that are undefined or null, as unset variables are, keep their default. */
export function fillIn<T extends OptionGroup>(type: new () => T, given: object): T {
  return overwrite(new type(), given);
}

function overwrite<T extends OptionGroup>(group: T, given: object): T {
  const options = group as Record<string, unknown>;
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const current = options[name];
    if (value === undefined || value === null) continue;
    options[name] = current instanceof OptionGroup && isObject(value) ? overwrite(current, value) : value;
  }
  return group;
}

/** The options as the library reads them. The options must have been checked. */
export function resolve<T extends OptionGroup>(group: T): Resolved<T> {
  const resolved = Object.entries(group).map(([name, value]: [string, unknown]) => {
    if (value instanceof OptionGroup) return [name, resolve(value)];
    const isDuration = Reflect.hasMetadata(DURATION_OPTION, group, name);
    return [name, isDuration && value !== undefined ? (parseDuration(value) ?? null) : value];
  });
  return Object.fromEntries(resolved) as Resolved<T>;
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
