import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { SessionClock } from '../../lib/common/clock.js';
import { KeyRing, type RingKey } from '../../lib/keys/key-ring.js';
import type { ResolvedSessionOptions } from '../../lib/options/resolve-options.js';
import { EVER } from '../../lib/rules/key-periods.js';

const OPTIONS = { accessToken: { algorithm: 'ES256' } } as ResolvedSessionOptions;

const keyNamed = (kid: string): RingKey => ({
  ...EVER,
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  kid,
  algorithm: 'ES256',
});

describe('two loads of the keys at once', () => {
  it('leave a key to sign with, however late the earlier one answers', async () => {
    const [stolen, replacement] = [keyNamed('stolen'), keyNamed('replacement')];
    const answers: ((keys: RingKey[]) => void)[] = [];
    const source = { load: () => new Promise<RingKey[]>(resolve => answers.push(resolve)) };
    const ring = new KeyRing(OPTIONS, source, new SessionClock());
    const [earlier, later] = [ring.reload(), ring.reload()];
    answers[1]!([stolen, replacement]);
    await later;
    answers[0]!([stolen]);
    await earlier;
    ring.distrust(['stolen']);
    expect(ring.requireSigningKey().kid).toBe('replacement');
  });
});
