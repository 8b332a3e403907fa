import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RevocationAnnouncer } from 'nestjs-jwt-session';
import { SharedClock, TestDatabase } from '../support/database.js';
import { feedOf, me } from '../support/revocation.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

/** Carries messages within this process, or loses them. */
class LocalAnnouncer extends RevocationAnnouncer {
  listens = 0;
  isDeaf = false;
  private receivers: ((message: string) => void)[] = [];

  override async announce(_: string, message: string): Promise<void> {
    if (!this.isDeaf) for (const receive of this.receivers) receive(message);
  }

  override async listen(_: readonly string[], receive: (message: string) => void) {
    this.listens++;
    this.receivers.push(receive);
    return {
      close: async () => {
        this.receivers = this.receivers.filter(other => other !== receive);
      },
    };
  }
}

describe('the echo of announcements', () => {
  const announcer = new LocalAnnouncer();
  let database: TestDatabase;
  let clock: SharedClock;
  let app: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    clock = await SharedClock.install(database);
    // Polls as often as it checks whether a poll is due, and as an echo may take.
    app = await startTestApp({ database, clock, session: { revocation: { announcer, maxStaleness: '3s' } } });
  });
  afterAll(async () => {
    await app?.close();
    await database?.drop();
  });

  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) await app.advance('1s');
  }

  it("maxStaleness '3s': while it comes back, the subscription stays", async () => {
    await pass(20);
    expect(announcer.listens).toBe(1);
    expect(await app.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: true } });
  });

  it('while it does not come back, another subscription is made every five seconds, and polls go on', async () => {
    announcer.isDeaf = true;
    const [began, before] = [clock.now(), announcer.listens];
    await pass(30);
    const seconds = (clock.now() - began) / 1_000;
    const made = announcer.listens - before;
    expect(made).toBeGreaterThanOrEqual(3);
    expect(made).toBeLessThanOrEqual(1 + seconds / 5);
    expect(await app.sessions.status()).toMatchObject({ status: 'up', revocation: { listening: false } });
    const { session, accessToken } = await app.sessions.logIn('ada');
    expect(await me(app, accessToken!)).toBe('accepted');
    await database.query(`UPDATE jwt_session SET revoked_at = clock_timestamp() WHERE id = $1`, [session.id]);
    await feedOf(app).poll();
    expect(await me(app, accessToken!)).toBe('session_revoked');
  });

  it('… and when it does again, that is told once', async () => {
    announcer.isDeaf = false;
    await until(async () => {
      await pass(1);
      return (await app.sessions.status()).revocation.listening;
    });
    const told = app.events.filter(({ type }) => type.startsWith('revocation.'));
    expect(told).toEqual([{ type: 'revocation.degraded', cause: 'listen' }, { type: 'revocation.recovered' }]);
    const before = announcer.listens;
    await pass(20);
    expect(announcer.listens).toBe(before);
  });
});
