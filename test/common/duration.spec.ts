import { describe, expect, it } from '@jest/globals';
import { describeDuration, parseDuration } from '../../lib/common/duration.js';

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['0.5ms', 1],
    ['30d', 2_592_000_000],
    ['36525d', 3_155_760_000_000],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  it.each(['', '10', '10 m', '-1s', '1w', '1S', '.5s', '1e3s', '36526d', '1s ', '٣s', 600, 0, null, undefined, ['1s']])(
    '%j is not one',
    value => {
      expect(parseDuration(value)).toBeUndefined();
    },
  );

  it('is described with the units that a bare number may have meant', () => {
    expect(describeDuration(600)).toBe(
      "write a duration with a unit, such as '30s', '10m', '12h' or '30d'; did you mean '600s' or '600ms'?",
    );
    expect(describeDuration('600')).not.toContain('600');
  });
});
