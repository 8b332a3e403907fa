import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { isUuid, timeOfUuid, uuidV7 } from '../../lib/common/uuid.js';
import { bucketOfSession, bucketOfUser } from '../../lib/rules/bucket.js';

describe('the bucket of a user', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  // The buckets with the lowest and the highest bits are among those of a thousand users.
  const users = ['', 'ada', 'Zoë', '用户', '👩‍💻', ...Array.from({ length: 1_000 }, (_, n) => `user-${n}`)];

  it('is the first 12 bits of the SHA-256 of the user id', () => {
    for (const user of users) {
      const digest = createHash('sha256').update(user, 'utf8').digest();
      expect([user, bucketOfUser(user)]).toEqual([user, digest[0]! * 16 + (digest[1]! >> 4)]);
    }
  });

  it('is in the id of each session, which stays a UUID version 7', () => {
    for (const user of users) {
      const id = uuidV7(now, bucketOfUser(user));
      expect([user, bucketOfSession(id)]).toEqual([user, bucketOfUser(user)]);
      expect(id).toMatch(/^.{14}7.{4}[89ab]/);
      expect([isUuid(id), timeOfUuid(id)]).toEqual([true, now]);
    }
  });

  it('leaves 62 random bits in the id', () => {
    expect(new Set(Array.from({ length: 1_000 }, () => uuidV7(now, 7))).size).toBe(1_000);
  });

  it('spreads users evenly', () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let n = 0; n < 16_000; n++) counts[bucketOfUser(`user-${n}`) >> 8]!++;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });
});
