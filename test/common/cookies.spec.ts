import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cookieValues } from '../../lib/common/cookies.js';

/** RFC 6265bis, section 5.6, word by word: every pair is taken apart. */
function valuesByPairs(header: string, name: string): string[] {
  const pairs = header.split(';').map(pair => pair.replace(/^[ \t]+|[ \t]+$/g, ''));
  return [...new Set(pairs.filter(pair => pair.startsWith(`${name}=`)).map(pair => pair.slice(name.length + 1)))];
}

describe('the cookies of a name', () => {
  it.each([
    ['a=1', ['1']],
    ['b=2; a=1; c=3', ['1']],
    ['a=1; a=2; a=1', ['1', '2']],
    ['xa=1; a =2; "a=3"; b=a=4; b= a=5', []],
    ['\u00a0a=1;\u00a0 a=2', []],
    ['\t a=1 \t;a=', ['1', '']],
    ['a=a=a=1', ['a=a=1']],
    ['', []],
  ])('of %j are %j', (header, values) => {
    expect(cookieValues(header, 'a')).toEqual(values);
  });

  it('are those that taking every pair apart would give', () => {
    const part = fc.constantFrom('a', 'aa', '=', ';', ' ', '\t', '\u00a0', 'x', 'a=', ';a=', ';; ', '__Host-a=', '"');
    const header = fc.array(part, { maxLength: 24 }).map(parts => parts.join(''));
    fc.assert(
      fc.property(header, fc.constantFrom('a', '__Host-a', 'aa'), (text, name) => {
        expect(cookieValues(text, name)).toEqual(valuesByPairs(text, name));
      }),
      { numRuns: 2_000 },
    );
  });
});
