import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createSessionFetch, type SessionEnd, type SessionFetch } from 'nestjs-jwt-session/client';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { openChannel } from '../support/tabs.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { RecordingFetch } from '../support/recording-fetch.js';

describe.each(PLATFORMS)('the end of a session on %s', platform => {
  let test: TestApp;
  let browser: CookieJarClient;
  let tabs: SessionFetch[] = [];
  /** What each tab was told. */
  let told: SessionEnd[][];
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  beforeEach(async () => {
    browser = new CookieJarClient(test.url);
    told = [];
    await browser.logIn('ada');
  });
  afterEach(() => tabs.splice(0).forEach(tab => tab.close()));

  function open(recording = new RecordingFetch(browser), baseUrl = test.url): SessionFetch {
    const heard: SessionEnd[] = [];
    told.push(heard);
    const onSessionEnd = (end: SessionEnd) => void heard.push(end);
    const tab = createSessionFetch({ baseUrl, fetch: recording.fetch, onSessionEnd, environment: { openChannel } });
    tabs.push(tab);
    return tab;
  }

  const logIn = (tab: SessionFetch) =>
    tab('/login', { method: 'POST', body: new URLSearchParams({ userId: 'ada' }) }).then(({ status }) => status);

  /** Every tab was told, by itself or by another. */
  const all = () => until(async () => told.every(heard => heard.length > 0));

  /** Messages of a channel arrive in their order: when a later one is there, so are those before it. */
  async function nothingMoreToHear(): Promise<void> {
    const name = `nestjs-jwt-session ${test.url}/`;
    let arrived = false;
    const listener = openChannel!(name, async () => void (arrived = true));
    const sender = openChannel!(name, async () => undefined);
    sender!.send({ reason: 'logged_out' });
    await until(async () => arrived);
    listener!.close();
    sender!.close();
  }

  it('is told once, to all tabs, with its reason', async () => {
    const [first] = [open(), open()];
    await test.sessions.logOutAll('ada');
    const answers = await Promise.all(Array.from({ length: 5 }, () => first('/me')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(await answers[0]!.json()).toMatchObject({ errorCode: expect.stringMatching(/^session_/) });
    await all();
    await first('/me');
    await tabs[1]!('/me');
    await nothingMoreToHear();
    expect(told).toEqual([[{ reason: 'session_revoked' }], [{ reason: 'session_revoked' }]]);
  });

  it('is told where the refresh learns of it, too, and the caller gets the 401', async () => {
    const [first] = [open(), open()];
    await test.advance('31d');
    expect((await first('/me')).status).toBe(401);
    await all();
    expect(told).toEqual([[{ reason: 'session_expired' }], [{ reason: 'session_expired' }]]);
  });

  it('by theft is told with its class', async () => {
    const [first] = [open(), open()];
    const thief = new CookieJarClient(test.url);
    thief.cookies = [...browser.cookies];
    for (let generation = 0; generation < 3; generation++) {
      await test.advance('1m');
      await thief.post('/session/refresh');
    }
    await test.advance('11m');
    expect((await first('/me')).status).toBe(401);
    await all();
    const end = { reason: 'token_theft_detected', class: 'stale' };
    expect(told).toEqual([[end], [end]]);
  });

  it('is told with session_missing where no tokens are left', async () => {
    const tab = open();
    browser.cookies = [];
    await tab('/me');
    expect(told).toEqual([[{ reason: 'session_missing' }]]);
  });

  it('is told with refresh_token_invalid where they are not of this server', async () => {
    const tab = open();
    browser.cookies = browser.cookies.map(cookie =>
      cookie.name.includes('refresh') ? { ...cookie, value: 'junk' } : cookie,
    );
    await test.advance('11m');
    await tab('/me');
    expect(told).toEqual([[{ reason: 'refresh_token_invalid' }]]);
  });

  it('is reported again when another session has begun meanwhile, in any tab', async () => {
    const [first, second] = [open(), open()];
    await first.logOut();
    await all();
    expect(await logIn(first)).toBe(200);
    expect((await second('/me')).status).toBe(200);
    await second.logOut();
    await until(async () => told.every(heard => heard.length === 2));
    expect(told.flat()).toEqual(Array.from({ length: 4 }, () => ({ reason: 'logged_out' })));
  });

  it('is not told of a request that was sent without a session, when one has begun before its answer', async () => {
    const recording = new RecordingFetch(browser);
    const tab = open(recording);
    await tab.logOut();
    told[0]!.length = 0;
    const late = recording.holdAnswer('/me');
    const answer = tab('/me');
    expect(await logIn(tab)).toBe(200);
    late.release();
    expect((await answer).status).toBe(401);
    expect(told).toEqual([[]]);
  });

  it('is not told again by a late answer to what was sent with it, when another one has begun meanwhile', async () => {
    const recording = new RecordingFetch(browser);
    const tab = open(recording);
    const late = recording.holdAnswer('/me?late');
    await test.sessions.logOutAll('ada');
    const answer = tab('/me?late');
    expect((await tab('/me')).status).toBe(401);
    expect(await logIn(tab)).toBe(200);
    late.release();
    expect((await answer).status).toBe(401);
    expect(told).toEqual([[{ reason: 'session_revoked' }]]);
  });

  it('by log-out is told to all tabs, and the cookies are gone', async () => {
    const [first] = [open(), open()];
    await first.logOut();
    await all();
    expect(told).toEqual([[{ reason: 'logged_out' }], [{ reason: 'logged_out' }]]);
    expect(browser.cookies).toEqual([]);
    await first.logOut();
    expect(told[0]!.length).toBe(1);
  });

  it('has not come where log-out does not reach the server, or is refused', async () => {
    const recording = new RecordingFetch(browser);
    const tab = open(recording);
    const error = new TypeError('fetch failed');
    recording.between = () => Promise.reject(error);
    await expect(tab.logOut()).rejects.toBe(error);
    recording.between = async () => new Response(null, { status: 503 });
    await expect(tab.logOut()).rejects.toThrow('503');
    recording.between = undefined;
    expect((await tab('/me')).status).toBe(200);
    expect(told).toEqual([[]]);
  });

  it('is nothing to applications at other addresses, nor to tabs that have closed', async () => {
    open(new RecordingFetch(browser), `${test.url}/other`);
    open().close();
    const closed = tabs[1]!;
    const last = open();
    await last.logOut();
    await nothingMoreToHear();
    // What a closed one finds out itself is still told to its page.
    await closed('/me');
    expect(told).toEqual([[], [{ reason: 'session_missing' }], [{ reason: 'logged_out' }, ...told[2]!.slice(1)]]);
    expect(told[2]!.length).toBe(1);
  });

  it('is told through BroadcastChannel in pages, and to nobody else outside of them', async () => {
    const heard: string[] = [];
    const make = (name: string) => {
      const onSessionEnd = ({ reason }: SessionEnd) => void heard.push(`${name}: ${reason}`);
      const tab = createSessionFetch({ baseUrl: test.url, fetch: new RecordingFetch(browser).fetch, onSessionEnd });
      tabs.push(tab);
      return tab;
    };
    make('script');
    Object.defineProperty(globalThis, 'location', { value: { href: test.url }, configurable: true });
    try {
      const page = make('page');
      make('another');
      await page.logOut();
      await until(async () => heard.length === 2);
      await nothingMoreToHear();
      expect(heard.sort()).toEqual(['another: logged_out', 'page: logged_out']);
    } finally {
      Reflect.deleteProperty(globalThis, 'location');
    }
  });
});
