import { describe, expect, it } from '@jest/globals';
import { isUuid, timeOfUuid, uuidFromBytes, uuidToBytes, uuidV7 } from '../../lib/common/uuid.js';

describe('a UUID', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

  it('of version 7 carries its time, its version and its variant', () => {
    const uuid = uuidV7(now);
    expect(isUuid(uuid)).toBe(true);
    expect(timeOfUuid(uuid)).toBe(now);
    expect(uuid).toMatch(/^.{14}7.{4}[89ab]/);
  });

  it('is ordered by time, and two of one moment differ', () => {
    expect([uuidV7(now + 1), uuidV7(now)].sort()[0]).toMatch(uuidV7(now).slice(0, 13));
    expect(new Set(Array.from({ length: 1_000 }, () => uuidV7(now))).size).toBe(1_000);
  });

  it('is 16 bytes and comes back from them', () => {
    const uuid = uuidV7(now);
    expect(uuidToBytes(uuid)).toHaveLength(16);
    expect(uuidFromBytes(uuidToBytes(uuid))).toBe(uuid);
  });

  it.each(['', 'x', uuidV7(now).toUpperCase(), `${uuidV7(now)} `, uuidV7(now).replaceAll('-', '')])(
    '%s is none',
    text => {
      expect(isUuid(text)).toBe(false);
    },
  );
});
