import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestDatabase } from '../support/database.js';
import { me } from '../support/revocation.js';
import { SampleProcess } from '../support/sample-process.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const SESSIONS = 100;
const TRIALS = 30;

describe('revocation in several processes', () => {
  let database: TestDatabase;
  let processes: SampleProcess[];
  let issuer: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    // Polls every three minutes: what takes effect sooner came by notification.
    const environment = { REVOCATION_MAX_STALENESS: '9m' };
    processes = await Promise.all(Array.from({ length: 4 }, () => SampleProcess.start(database, environment)));
    // Issues and revokes by the library in this process, with the generated secret from the database like the others.
    issuer = await startTestApp({ database, session: { secret: 'database' } });
  }, 60_000);
  afterAll(async () => {
    await issuer?.close();
    await Promise.all((processes ?? []).map(sample => sample.stop()));
    await database?.drop();
  });

  async function logIn(userId: string): Promise<{ id: string; userId: string; token: string }> {
    const { session, accessToken } = await issuer.sessions.logIn(userId);
    return { id: session.id, userId, token: accessToken! };
  }

  async function everywhere(token: string, answer: string): Promise<void> {
    await Promise.all(processes.map(process => until(async () => (await me(process, token)) === answer)));
  }

  it('a session, a user and a key: the last of four processes refuses by notification', async () => {
    const sessions = [];
    for (let index = 0; index < SESSIONS; index++) sessions.push(await logIn(`user ${index % (SESSIONS / 2)}`));
    for (const { token } of sessions) {
      expect(await Promise.all(processes.map(process => me(process, token)))).toEqual(Array(4).fill('accepted'));
    }
    for (let trial = 0; trial < TRIALS; trial++) {
      const { id, userId, token } = sessions.pop()!;
      if (trial % 2 === 0) {
        await issuer.sessions.logOut(id);
        await everywhere(token, 'session_revoked');
      } else {
        await issuer.sessions.invalidateTokens(userId, 'access');
        await everywhere(token, 'access_token_invalid');
      }
    }
    const { token } = sessions[0]!;
    await everywhere(token, 'accepted');
    await issuer.sessions.rotateKeys({ distrust: true });
    for (const session of sessions) await everywhere(session.token, 'access_token_invalid');
    await everywhere((await logIn('ada')).token, 'accepted');
  });

  it.each([
    { what: 'a session', answer: 'session_revoked', revoke: (id: string) => issuer.sessions.logOut(id) },
    {
      what: 'a key',
      answer: 'access_token_invalid',
      revoke: () => issuer.sessions.rotateKeys({ distrust: true }),
    },
  ])(
    'a process that was suspended for longer than maxStaleness: its first answer refuses $what',
    async ({ revoke, answer }) => {
      const suspended = await SampleProcess.start(database, { REVOCATION_MAX_STALENESS: '1s' });
      try {
        const { id, token } = await logIn('ada');
        expect(await me(suspended, token)).toBe('accepted');
        suspended.signal('SIGSTOP');
        // Nothing but time makes it too old.
        await new Promise(resolve => setTimeout(resolve, 1_200));
        await revoke(id);
        const first = me(suspended, token);
        suspended.signal('SIGCONT');
        expect(await first).toBe(answer);
      } finally {
        await suspended.stop();
      }
    },
  );
});
