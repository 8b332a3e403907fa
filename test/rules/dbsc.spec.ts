import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { uuidV7 } from '../../lib/common/uuid.js';
import { encodeIdentifier, isChallenge, newChallenge, openIdentifier } from '../../lib/rules/dbsc.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';

const KEYS = deriveServerKeys('the present secret of this server, long enough');
const FORMER = deriveServerKeys('a former secret of this server, long enough');
const FOREIGN = deriveServerKeys('the secret of some other server, long enough');

const NOW = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;

describe('the identifier of a session that a browser has bound', () => {
  const session = { sessionId: uuidV7(NOW), point: { x: randomBytes(32), y: randomBytes(32) } };

  it('carries session and key, under any accepted secret', () => {
    const text = encodeIdentifier(session, FORMER);
    expect(text).toMatch(/^[\w-]{128}$/);
    expect(openIdentifier(text, [KEYS, FORMER])).toEqual(session);
    expect(openIdentifier(text, [KEYS, FOREIGN])).toBeUndefined();
  });

  it('is refused when any character differs', () => {
    const text = encodeIdentifier(session, KEYS);
    for (let at = 0; at < text.length; at++) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
      expect(openIdentifier(changed, [KEYS])).toBeUndefined();
    }
    for (const other of ['', text.slice(1), `${text}A`, `${text}=`, ` ${text}`]) {
      expect(openIdentifier(other, [KEYS])).toBeUndefined();
    }
  });
});

describe('a challenge', () => {
  const sessionId = uuidV7(NOW);
  const refresh = (now: number, keys = KEYS) => newChallenge(sessionId, 'refresh', now, keys);
  const counts = (text: string, now: number, purpose: 'refresh' | 'script' | 'navigation' = 'refresh') =>
    isChallenge(text, sessionId, purpose, now, 20 * MINUTE, [KEYS, FORMER]);

  it('for a refresh is the same for five minutes, so that the browser signs once', () => {
    const first = refresh(NOW);
    expect(refresh(NOW + 5 * MINUTE - 1)).toBe(first);
    expect(refresh(NOW + 5 * MINUTE)).not.toBe(first);
    expect(newChallenge(sessionId, 'script', NOW + 1_000, KEYS)).not.toBe(newChallenge(sessionId, 'script', NOW, KEYS));
  });

  it('counts until it is too old, and not before its time', () => {
    const text = refresh(NOW);
    expect(counts(text, NOW)).toBe(true);
    expect(counts(text, NOW + 20 * MINUTE)).toBe(true);
    expect(counts(text, NOW + 20 * MINUTE + 1)).toBe(false);
    expect(counts(text, NOW - MINUTE)).toBe(true);
    expect(counts(text, NOW - 2 * MINUTE)).toBe(false);
  });

  it('counts for its session, purpose and secret alone', () => {
    expect(counts(refresh(NOW, FORMER), NOW)).toBe(true);
    expect(counts(refresh(NOW, FOREIGN), NOW)).toBe(false);
    expect(counts(newChallenge(uuidV7(NOW), 'refresh', NOW, KEYS), NOW)).toBe(false);
    for (const purpose of ['refresh', 'script', 'navigation'] as const) {
      const text = newChallenge(sessionId, purpose, NOW, KEYS);
      const accepted = (['refresh', 'script', 'navigation'] as const).filter(each => counts(text, NOW, each));
      expect(accepted).toEqual([purpose]);
    }
  });

  it('of another form is refused', () => {
    const text = refresh(NOW);
    for (const other of ['', text.slice(1), `${text}A`, `${text}=`, text.toUpperCase()]) {
      expect(counts(other, NOW)).toBe(false);
    }
  });
});
