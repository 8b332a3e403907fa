import { describe, expect, it } from '@jest/globals';
import type { Duration } from '../../lib/common/duration.js';
import { nearestOption } from '../../lib/common/nearest-option.js';
import {
  arrayOf,
  Check,
  CheckDuration,
  CheckGroup,
  classExtending,
  mountedAt,
  oneOf,
  type OptionCheck,
  secrets,
  text,
  trueOrFalse,
  wholeNumber,
} from '../../lib/common/option-checks.js';
import { mistakesIn, optionNames } from '../../lib/common/option-mistakes.js';
import { fillIn, OptionGroup, resolve } from '../../lib/common/options.js';

class WindowSettings extends OptionGroup {
  @CheckDuration({ min: '1s', max: '1m' })
  length: Duration = '30s';

  @CheckDuration({ orNone: true })
  cap: Duration | 'none' = 'none';
}

class ExampleSettings extends OptionGroup {
  @Check(text('write a name'), { required: true })
  name!: string;

  @Check(oneOf(['a', 'b']))
  mode: 'a' | 'b' = 'a';

  @CheckGroup()
  window = new WindowSettings();

  @Check(trueOrFalse())
  optional?: boolean;
}

const mistakes = (given: object) => mistakesIn(fillIn(ExampleSettings, given));

describe('a group of options', () => {
  it('names all its options, those without a default and those of nested groups as well', () => {
    expect(optionNames(ExampleSettings).sort()).toEqual(['mode', 'name', 'optional', 'window.cap', 'window.length']);
  });

  it('keeps the defaults that are not given, and reads durations as milliseconds', () => {
    expect(resolve(fillIn(ExampleSettings, { name: 'x', window: { length: '2s' }, mode: undefined }))).toEqual({
      name: 'x',
      mode: 'a',
      window: { length: 2_000, cap: null },
    });
    expect(resolve(fillIn(ExampleSettings, { window: { cap: '1m' } })).window).toEqual({ length: 30_000, cap: 60_000 });
  });

  it('has defaults of its own for each application', () => {
    fillIn(ExampleSettings, { window: { length: '2s' } });
    expect(new ExampleSettings().window.length).toBe('30s');
  });

  it.each<[string, object, string[]]>([
    ['nothing', { name: 'x' }, []],
    ['a required option that is missing', {}, ['option "name": write a name']],
    ['a wrong value', { name: 'x', mode: 'c' }, ['option "mode": write one of a, b']],
    ['a wrong nested value', { name: 'x', window: { length: '2m' } }, ['option "window.length": write \'1m\' or less']],
    ['a list for a group', { name: 'x', window: [] }, ['option "window": write an object']],
    ['a text for a group', { name: 'x', window: '1s' }, ['option "window": write an object']],
    [
      'an unknown nested option',
      { name: 'x', window: { lenght: '1s' } },
      ['unknown option "window.lenght": did you mean "window.length"?'],
    ],
    [
      'an unknown option like none',
      { name: 'x', zzz: 1 },
      ['unknown option "zzz": remove it, or correct its spelling'],
    ],
    ['every mistake', { mode: 1, optional: 'no' }, ['"name"', '"mode"', '"optional"']],
  ])('names %s', (_, given, expected) => {
    const found = mistakes(given);
    expect(found).toHaveLength(expected.length);
    for (const sentence of expected) expect(found.join('\n')).toContain(sentence);
  });
});

describe('the nearest option', () => {
  const known = ['accessToken.lifetime', 'session.leeway', 'cookies.sameSite', 'transport', 'csrf', 'jwks'];

  it.each([
    ['leeway', 'session.leeway'],
    ['session.lifetime', 'accessToken.lifetime'],
    ['acessToken', 'accessToken'],
    ['cookie', 'cookies'],
    ['Transport', 'transport'],
    ['csfr', 'csrf'],
    ['csr', 'csrf'],
    ['banana', undefined],
  ])('to %s is %s', (name, nearest) => {
    expect(nearestOption(name, known)).toBe(nearest);
  });
});

describe('a check', () => {
  class Parent {}
  class Child extends Parent {}

  it.each<[string, OptionCheck, unknown[], unknown[]]>([
    ['a whole number', wholeNumber(1, 3), [1, 3], [0, 4, 1.5, NaN, '2', null]],
    ['a whole number without an upper bound', wholeNumber(1), [1, 1e9], [0, Infinity]],
    ['one line of text', text('write it'), ['a', 'a b'], ['', 'a\nb', 'a\0', 1]],
    ['an array', arrayOf(oneOf(['a'])), [[], ['a']], ['a', ['a', 'b'], null]],
    ['secrets', secrets(4), ['1234', ['1234', '12345'], 'ää'], ['123', [], ['1234', ''], 1234]],
    ['a mount', mountedAt('x'), [false, { path: 'y' }], [true, {}, { path: '' }, { path: 'y', version: 1 }, 'x', null]],
    ['a class', classExtending(Parent, 'write it'), [Parent, Child], [class {}, () => {}, new Child(), 'Child']],
  ])('of %s', (_, check, right, wrong) => {
    for (const value of right) expect([value, check(value)]).toEqual([value, undefined]);
    for (const value of wrong) expect([value, typeof check(value)]).toEqual([value, 'string']);
  });
});
