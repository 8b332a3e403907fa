import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import { nearestOption } from './nearest-option.js';
import { OptionGroup } from './options.js';

/** Thrown at start for options that cannot work; the message names the option and says what to write. */
export class SessionOptionsError extends Error {
  override readonly name = 'SessionOptionsError';

  constructor(mistakes: readonly string[], module = 'SessionModule') {
    super(`${module} cannot start:\n${mistakes.map(mistake => `  - ${mistake}`).join('\n')}`);
  }
}

/** A rule about several options, or about what surrounds them. */
export type OptionRule = readonly [broken: boolean, mistake: string];

/** @throws SessionOptionsError with every mistake, and with the mistake of every broken rule */
export function refuseMistakes(module: string, rules: readonly OptionRule[], mistakes: readonly string[] = []): void {
  const all = [...mistakes, ...rules.filter(([broken]) => broken).map(([, mistake]) => mistake)];
  if (all.length > 0) throw new SessionOptionsError(all, module);
}

/** A sentence for each option that is unknown or wrong, with its path. */
export function mistakesIn(options: OptionGroup): string[] {
  const errors = validateSync(options, { whitelist: true, forbidNonWhitelisted: true });
  const known = optionNames(options.constructor as new () => OptionGroup);
  return [...sentences(errors, known)];
}

function* sentences(errors: readonly ValidationError[], known: readonly string[], path = ''): Generator<string> {
  for (const { property, constraints = {}, children = [] } of errors) {
    const name = `${path}${property}`;
    if ('whitelistValidation' in constraints) yield unknownOption(name, known);
    else if (constraints.check !== undefined) yield `option "${name}": ${constraints.check}`;
    else yield* sentences(children, known, `${name}.`);
  }
}

/** The names of all options, those of nested groups as paths. */
export function optionNames(type: new () => OptionGroup, path = ''): string[] {
  const defaults = new type() as OptionGroup & Record<string, unknown>;
  const declared = getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
  return [...new Set(declared.map(({ propertyName }) => propertyName))].flatMap(name => {
    const value = defaults[name];
    const isGroup = value instanceof OptionGroup;
    return isGroup ? optionNames(value.constructor as new () => OptionGroup, `${path}${name}.`) : [`${path}${name}`];
  });
}

/** The message for an option that does not exist. */
export function unknownOption(name: string, known: readonly string[]): string {
  const nearest = nearestOption(name, known);
  return nearest === undefined
    ? `unknown option "${name}": remove it, or correct its spelling`
    : `unknown option "${name}": did you mean "${nearest}"?`;
}
