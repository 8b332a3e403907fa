import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { CookieClient } from '../support/client.js';
import { channelOf, Notifications } from '../support/notifications.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { insertSessions, sessionSeed } from '../support/session-rows.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const about = (sessionId: string) => ({ sessionId, deadline: Infinity });

/** The most that PostgreSQL takes: NOTIFY refuses 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_999;

describe('the announcement of sessions that have ended', () => {
  let test: TestApp;
  let dataSource: DataSource;
  let notifications: Notifications;
  beforeAll(async () => {
    test = await startTestApp(PATIENTLY);
    dataSource = test.app.get(DataSource);
    notifications = await Notifications.on(test.database, channelOf(test));
  });
  afterAll(async () => {
    await notifications?.close();
    await test?.close();
  });
  beforeEach(async () => {
    await test.sessions.logOutAll('ada');
    await notifications.take();
  });

  interface Announcement {
    readonly sessions: string[];
    readonly reason: string;
  }

  const announced = async () =>
    (await notifications.take()).map(payload => {
      const { sessions, reason } = JSON.parse(payload) as Announcement;
      return { sessions, reason };
    });
  const newSession = async () => (await test.sessions.logIn('ada')).session;

  it('tells which session was ended and why', async () => {
    const { id } = await newSession();
    await test.sessions.logOut(id, { reason: 'lost phone' });
    expect(await announced()).toEqual([{ sessions: [id], reason: 'lost phone' }]);
  });

  it('tells the session that a login replaces', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const { body } = await client.send('/session');
    expect(await announced()).toEqual([]);
    await client.logIn('ada');
    expect(await announced()).toEqual([{ sessions: [body.id], reason: 'replaced' }]);
  });

  it('tells all sessions that a theft has ended', async () => {
    const [stolen, other] = [sessionSeed(), sessionSeed()];
    await insertSessions(test.database, [stolen, other]);
    const store = test.app.get(RotationStore);
    await store.endStolen(about(stolen.id), (await store.readForRotation(about(stolen.id)))!, 'fork', true);
    const [announcement, ...more] = await announced();
    expect(more).toEqual([]);
    expect(announcement!.reason).toBe('theft:fork');
    expect(announcement!.sessions.toSorted()).toEqual([stolen.id, other.id].sort());
  });

  it('says nothing where nothing was ended', async () => {
    const { id } = await newSession();
    await test.sessions.logOut(id);
    await notifications.take();
    expect(await test.sessions.logOut(id)).toBe(false);
    expect(await test.sessions.logOutAll('ada')).toBe(0);
    const current = await newSession();
    expect(await test.sessions.logOutOthers(current)).toBe(0);
    expect(await test.sessions.logOut(current.id, { userId: 'grace' })).toBe(false);
    const store = test.app.get(RotationStore);
    const observed = (await store.readForRotation(about(current.id)))!;
    await store.endStolen(
      about(current.id),
      { ...observed, state: { ...observed.state, generation: 7 } },
      'stale',
      true,
    );
    expect(await announced()).toEqual([]);
  });

  it.each([
    ['letters', 'x'.repeat(64)],
    ['control characters, which JSON writes in six', '\u0001'.repeat(64)],
    ['symbols, which UTF-8 writes in four', '\u{1F600}'.repeat(64)],
  ])('takes seven notifications for 1,000 sessions and a reason of 64 %s', async (_, reason) => {
    const seeds = Array.from({ length: 1_000 }, () => sessionSeed());
    await insertSessions(test.database, seeds);
    expect(await test.sessions.logOutAll('ada', { reason })).toBe(1_000);

    const payloads = await notifications.take();
    expect(payloads).toHaveLength(7);
    expect(Math.max(...payloads.map(payload => Buffer.byteLength(payload)))).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    const announcements = payloads.map(payload => JSON.parse(payload) as Announcement);
    expect(Math.max(...announcements.map(({ sessions }) => sessions.length))).toBe(150);
    expect(announcements.flatMap(({ sessions }) => sessions).sort()).toEqual(seeds.map(({ id }) => id).sort());
    expect(new Set(announcements.map(announcement => announcement.reason))).toEqual(new Set([reason]));
  });

  it("goes out when the caller's transaction commits", async () => {
    const { id } = await newSession();
    await dataSource.transaction(async manager => {
      await test.sessions.logOut(id, { manager });
      expect(await announced()).toEqual([]);
    });
    expect(await announced()).toEqual([{ sessions: [id], reason: 'logout' }]);
  });

  it("stays with the caller's transaction when that is rolled back", async () => {
    const { id } = await newSession();
    const rolledBack = dataSource.transaction(async manager => {
      expect(await test.sessions.logOut(id, { manager })).toBe(true);
      throw new Error('not this time');
    });
    await expect(rolledBack).rejects.toThrow('not this time');
    expect(await announced()).toEqual([]);
    expect(await test.sessions.get(id)).not.toBeNull();
  });
});
