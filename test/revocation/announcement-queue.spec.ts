import { describe, expect, it } from '@jest/globals';
import { SessionTimers } from '../../lib/common/clock.js';
import { readNotification } from '../../lib/revocation/notification.js';
import { AnnouncementQueue } from '../../lib/store/announcement-queue.js';
import { ShortTimers } from '../support/revocation.js';
import { until } from '../support/until.js';

const ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const CHANNEL = 'jwt_session_test';
const endOfTurn = () => new Promise(resolve => setImmediate(resolve));

describe('announcements', () => {
  const sent: { channel: string; text: string }[] = [];
  /** Asked before each message is sent. */
  let gate: () => Promise<void> = async () => undefined;
  const announcer = {
    announce: (channel: string, text: string) => gate().then(() => void sent.push({ channel, text })),
    listen: async () => ({ close: async () => undefined }),
  };

  function queueOf(timers = new SessionTimers()): AnnouncementQueue {
    sent.length = 0;
    gate = async () => undefined;
    return new AnnouncementQueue(announcer, CHANNEL, 'this process', timers);
  }

  const read = () => sent.map(({ text }) => readNotification(text)!);

  it('of one turn of the event loop share a message for each reason, which a process reads', async () => {
    const queue = queueOf();
    for (let index = 0; index < 100; index++) queue.add({ sessions: [{ id: ID, reason: 'logout' }] });
    queue.add({ sessions: [{ id: ID, reason: 'incident' }], users: [{ id: 'ada', version: 3 }] });
    queue.add({ claims: [{ id: ID, version: 2 }], keys: ['kid'] });
    queue.addEcho('nonce');
    await until(async () => sent.length === 6);
    const [echo, keys, logouts, incident, users, claims] = read();
    expect(echo).toMatchObject({ echo: 'nonce', processId: 'this process' });
    expect(keys).toMatchObject({ keys: true, sessions: [] });
    expect(logouts!.sessions).toEqual(Array.from({ length: 100 }, () => ({ id: ID, reason: 'logout' })));
    expect(incident!.sessions).toEqual([{ id: ID, reason: 'incident' }]);
    expect(users!.users).toEqual([{ id: 'ada', version: 3 }]);
    expect(claims!.claims).toEqual([{ id: ID, version: 2 }]);
    // No key is named: the database says which.
    expect(sent[1]!.text).not.toContain('kid');
    expect(new Set(sent.map(({ channel }) => channel))).toEqual(new Set([CHANNEL]));
  });

  it('that come while one is being sent share the next messages, which stay below half a megabyte', async () => {
    const queue = queueOf();
    let open!: () => void;
    gate = () => new Promise<void>(resolve => (open = resolve));
    queue.add({ users: [{ id: 'first', version: 1 }] });
    await endOfTurn();
    for (let index = 0; index < 600; index++)
      queue.add({ users: [{ id: `${index}`.padEnd(255, '\u0001'), version: 1 }] });
    gate = async () => undefined;
    open();
    await until(async () => sent.length === 4);
    expect(read().map(({ users }) => users.length)).toEqual([1, 250, 250, 100]);
    expect(Math.max(...sent.map(({ text }) => text.length))).toBeLessThan(500_000);
  });

  it('beyond 20,000 ask the others to poll instead', async () => {
    const queue = queueOf();
    for (let index = 0; index <= 20_000; index++) queue.add({ users: [{ id: `${index}`, version: 1 }] });
    queue.add({ users: [{ id: 'last', version: 1 }] });
    await until(async () => sent.length === 2);
    expect(read()).toMatchObject([{ keys: true }, { users: [{ id: 'last' }] }]);
  });

  it.each([
    ['fails', async () => Promise.reject(new Error('not connected'))],
    [
      'throws at once',
      () => {
        throw new Error('not connected');
      },
    ],
    ['is never answered', () => new Promise<void>(() => undefined)],
  ])('one that %s is dropped, and the next one is sent', async (_, fail) => {
    const timers = new ShortTimers();
    const queue = queueOf(timers);
    timers.limit = 50;
    let failed = 0;
    gate = () => {
      failed++;
      return fail();
    };
    queue.add({ users: [{ id: 'lost', version: 1 }] });
    await until(async () => failed === 1);
    gate = async () => undefined;
    queue.add({ users: [{ id: 'sent', version: 1 }] });
    await until(async () => sent.length === 1);
    expect(read()[0]!.users).toEqual([{ id: 'sent', version: 1 }]);
  });
});
