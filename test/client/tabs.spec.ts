import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionEnvironment, type SessionFetch } from 'nestjs-jwt-session/client';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { FakeLocks, ManualTimers } from '../support/tabs.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { RecordingFetch } from '../support/recording-fetch.js';

const REFRESH = 'POST /session/refresh';
const refused = () => Response.json({ errorCode: 'access_token_expired' }, { status: 401 });
const aMoment = () => new Promise(resolve => setImmediate(resolve));

describe('tabs of one jar', () => {
  let test: TestApp;
  let browser: CookieJarClient;
  let tabs: SessionFetch[] = [];
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  beforeEach(async () => {
    browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    await test.advance('11m');
    test.events.length = 0;
  });
  afterEach(() => tabs.splice(0).forEach(tab => tab.close()));

  function open(environment: Partial<SessionEnvironment>): { recording: RecordingFetch; tab: SessionFetch } {
    const recording = new RecordingFetch(browser);
    const tab = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, environment });
    tabs.push(tab);
    return { recording, tab };
  }

  const refreshes = () => test.events.filter(({ type }) => /refreshed|replayed/.test(type)).length;

  const all = (opened: { tab: SessionFetch }[]) =>
    Promise.all(opened.flatMap(({ tab }) => [tab('/me'), tab('/me')]).map(async answer => (await answer).status));

  it('share one refresh where there are locks', async () => {
    const locks = new FakeLocks();
    const opened = Array.from({ length: 8 }, () => open({ locks }));
    // Until all others wait for it: one that is refused later has nobody to wait for, and refreshes.
    opened.forEach(({ recording }) => refreshOnce(recording, () => locks.waiting === opened.length - 1));
    expect(await all(opened)).toEqual(Array.from({ length: 16 }, () => 200));
    expect(refreshes()).toBe(1);
  });

  it('refresh each for itself where there are none, and do no harm', async () => {
    const opened = Array.from({ length: 8 }, () => open({ locks: undefined }));
    expect(await all(opened)).toEqual(Array.from({ length: 16 }, () => 200));
    expect(refreshes()).toBeGreaterThan(1);
    expect(refreshes()).toBeLessThanOrEqual(8);
    expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    await test.advance('31m');
    expect(await all(opened)).toEqual(Array.from({ length: 16 }, () => 200));
  });

  it('go on where the browser denies locks and channels, as it does with storage', async () => {
    const denied = () => new DOMException('The operation is insecure.', 'SecurityError');
    const request = () => Promise.reject(denied());
    class Denied {
      constructor() {
        throw denied();
      }
    }
    const replaced = { location: { href: test.url }, navigator: { locks: { request } }, BroadcastChannel: Denied };
    const before = Object.keys(replaced).map(
      name => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
    );
    for (const [name, value] of Object.entries(replaced)) {
      Object.defineProperty(globalThis, name, { value, configurable: true });
    }
    try {
      const { tab } = open({});
      expect((await tab('/me')).status).toBe(200);
      expect(refreshes()).toBe(1);
      await tab.logOut();
      expect((await tab('/me')).status).toBe(401);
    } finally {
      for (const [name, descriptor] of before) {
        if (descriptor) Object.defineProperty(globalThis, name, descriptor);
        else Reflect.deleteProperty(globalThis, name);
      }
    }
  });

  it('use the lock of the browser by default, one for each application', async () => {
    const locks = new FakeLocks();
    const names: string[] = [];
    const request: FakeLocks['request'] = (name, options, run) => {
      names.push(name);
      return locks.request(name, options, run);
    };
    const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    Object.defineProperty(globalThis, 'location', { value: { href: `${test.url}/home` }, configurable: true });
    Object.defineProperty(globalThis, 'navigator', { value: { locks: { request } }, configurable: true });
    try {
      const tab = createSessionFetch({ baseUrl: '/', fetch: new RecordingFetch(browser).fetch });
      tabs.push(tab);
      expect((await tab('/me')).status).toBe(200);
      expect(names).toEqual([`nestjs-jwt-session ${test.url}/`]);
    } finally {
      Reflect.deleteProperty(globalThis, 'location');
      if (navigator) Object.defineProperty(globalThis, 'navigator', navigator);
      else Reflect.deleteProperty(globalThis, 'navigator');
    }
  });

  it('do not rely on another that has failed: the waiting one refreshes then', async () => {
    const locks = new FakeLocks();
    const [first, second] = [open({ locks }), open({ locks })];
    first.recording.between = async (request, forward) => {
      if (!request.url.endsWith('/refresh')) return forward(request);
      while (locks.waiting === 0) await aMoment();
      throw new TypeError('no network');
    };
    const refreshing = first.tab('/me');
    while (!first.recording.sent.includes(REFRESH)) await aMoment();
    const [failed, answer] = await Promise.allSettled([refreshing, second.tab('/me')]);
    expect(failed.status).toBe('rejected');
    expect(answer).toMatchObject({ status: 'fulfilled', value: { status: 200 } });
    expect(second.recording.sent).toEqual(['GET /me', 'GET /me', REFRESH, 'GET /me']);
  });

  it('do not refresh again for a late answer after another has refreshed', async () => {
    const locks = new FakeLocks();
    const { recording, tab } = open({ locks });
    let letThrough!: () => void;
    const late = new Promise<void>(resolve => (letThrough = resolve));
    recording.between = async (request, forward) => {
      const response = await forward(request);
      if (request.headers.has('x-late') && response.status === 401) await late;
      return response;
    };
    const slow = tab('/me', { headers: { 'x-late': 'yes' } });
    const release = hold(locks);
    const answer = tab('/me');
    while (locks.waiting === 0) await aMoment();
    await browser.post('/session/refresh');
    release();
    expect((await answer).status).toBe(200);
    letThrough();
    expect((await slow).status).toBe(200);
    expect(recording.sent).not.toContain(REFRESH);
  });

  it('never loop, not even where refreshes of other tabs alternate with refusals', async () => {
    const locks = new FakeLocks();
    const { recording, tab } = open({ locks });
    recording.between = async (request, forward) => (request.url.endsWith('/me') ? refused() : forward(request));
    const others = [hold(locks), hold(locks)];
    const answer = tab('/me');
    while (locks.waiting < others.length) await aMoment();
    others.forEach(release => release());
    expect((await answer).status).toBe(401);
    expect(recording.sent).toEqual(['GET /me', 'GET /me', REFRESH, 'GET /me']);
  });

  it('wait at most ten seconds for one that sleeps with the lock in its hand', async () => {
    const locks = new FakeLocks();
    const timers = new ManualTimers();
    hold(locks);
    const { recording, tab } = open({ locks, after: timers.after });
    const answer = tab('/me');
    while (locks.waiting === 0) await aMoment();
    timers.advance(9_999);
    await aMoment();
    expect(recording.sent).toEqual(['GET /me']);
    timers.advance(1);
    expect((await answer).status).toBe(200);
    expect(recording.sent).toEqual(['GET /me', REFRESH, 'GET /me']);
    expect(timers.size).toBe(0);
  });
});

/** Another tab takes the lock. */
function hold(locks: FakeLocks): () => void {
  let release!: () => void;
  const held = new Promise<void>(resolve => (release = resolve));
  void locks.request('', {}, () => held);
  return release;
}

/** The refresh takes longer than it takes the other tabs to hear that their tokens have expired. */
function refreshOnce(recording: RecordingFetch, ready: () => boolean): void {
  recording.between = async (request, forward) => {
    while (request.url.endsWith('/refresh') && !ready()) await aMoment();
    return forward(request);
  };
}
