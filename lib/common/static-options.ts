import { mistakesIn, optionNames, type OptionRule, refuseMistakes, unknownOption } from './option-mistakes.js';
import { fillIn, type OptionGroup } from './options.js';

/** The static options with their defaults. Options of the module beside them are left out. */
export function checkStaticOptions<T extends OptionGroup>(module: string, type: new () => T, given: object): T {
  const names = optionNames(type);
  const options = fillIn(type, Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name))));
  refuseMistakes(module, [], mistakesIn(options));
  return options;
}

const ASYNC_OPTIONS = ['imports', 'inject', 'useFactory', 'useClass', 'useExisting', 'provideInjectionTokensFrom'];

/**
 * Checks what `forRootAsync` is given.
 *
 * @throws SessionOptionsError for options that have no effect there, and if there is no way to get the options
 */
export function checkAsyncOptions(module: string, statics: new () => OptionGroup, given: object): void {
  const known = [...optionNames(statics), ...ASYNC_OPTIONS];
  const others = Object.keys(given).filter(name => !known.includes(name));
  const { useFactory, useClass, useExisting } = given as Record<string, unknown>;
  refuseMistakes(
    module,
    [
      [
        !useFactory && !useClass && !useExisting,
        `${module}.forRootAsync needs one of useFactory, useClass and useExisting`,
      ],
    ],
    others.map(
      name => `${unknownOption(name, known)}; options that are not static belong in the result of the factory`,
    ),
  );
}

/** @throws SessionOptionsError for static options in the result of a factory */
export function refuseStaticOptions(module: string, statics: new () => OptionGroup, given: object): void {
  const rules = optionNames(statics).map((name): OptionRule => [
    name in given,
    `option "${name}" is static: write it beside useFactory, as in forRootAsync({ ${name}: …, useFactory }), not in its result`,
  ]);
  refuseMistakes(module, rules);
}
