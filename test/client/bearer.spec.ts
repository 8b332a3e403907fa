import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  createSessionFetch,
  type SessionEnd,
  type SessionFetch,
  type SessionTokens,
  type SessionTokenStorage,
} from 'nestjs-jwt-session/client';
import { ManualTimers, openChannel } from '../support/tabs.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { RecordingFetch } from '../support/recording-fetch.js';

const REFRESH = 'POST /session/refresh';
const aMoment = () => new Promise(resolve => setImmediate(resolve));

/** As slow as a keychain: nothing is done before a turn of the event loop. */
class SlowStorage implements SessionTokenStorage {
  tokens?: SessionTokens;
  saving: () => Promise<void> = async () => undefined;

  async load(): Promise<SessionTokens | undefined> {
    await aMoment();
    return this.tokens;
  }

  async save(tokens: SessionTokens): Promise<void> {
    await this.saving();
    this.tokens = tokens;
  }

  async clear(): Promise<void> {
    await aMoment();
    this.tokens = undefined;
  }
}

describe.each(PLATFORMS)('bearer clients on %s', platform => {
  let test: TestApp;
  let recording: RecordingFetch;
  let storage: SlowStorage;
  let timers: ManualTimers;
  let client: SessionFetch;
  let clients: SessionFetch[] = [];
  let ends: SessionEnd[];
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { csrf: 'token' } });
  });
  afterAll(() => test?.close());

  beforeEach(async () => {
    recording = new RecordingFetch();
    storage = new SlowStorage();
    timers = new ManualTimers();
    ends = [];
    client = open(storage);
    await logIn();
    recording.take();
    test.events.length = 0;
  });
  afterEach(() => clients.splice(0).forEach(each => each.close()));

  function open(kept: SessionTokenStorage): SessionFetch {
    const onSessionEnd = (end: SessionEnd) => void ends.push(end);
    const environment = { after: timers.after, openChannel };
    const opened = createSessionFetch({
      baseUrl: test.url,
      storage: kept,
      fetch: recording.fetch,
      onSessionEnd,
      environment,
    });
    clients.push(opened);
    return opened;
  }

  async function logIn(who = client, userId = 'ada'): Promise<void> {
    const answer = await who('/login', { method: 'POST', body: new URLSearchParams({ userId }) });
    await who.saveTokens(await answer.json());
  }

  const refreshes = () => test.events.filter(({ type }) => /refreshed|replayed/.test(type)).length;

  it('log in, are admitted, refresh once for all requests, log out', async () => {
    expect(storage.tokens).toEqual({ accessToken: expect.any(String), refreshToken: expect.any(String) });
    const before = storage.tokens!;
    await test.advance('11m');
    const answers = await Promise.all(Array.from({ length: 20 }, () => client('/me')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(refreshes()).toBe(1);
    expect(storage.tokens!.refreshToken).not.toBe(before.refreshToken);

    const { accessToken } = storage.tokens!;
    await client.logOut();
    expect(storage.tokens).toBeUndefined();
    expect(ends).toEqual([{ reason: 'logged_out' }]);
    const response = await fetch(`${test.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
    expect(await response.json()).toMatchObject({ errorCode: 'session_revoked' });
  });

  it('log out with an access token that has expired, too', async () => {
    await test.advance('11m');
    await client.logOut();
    expect(test.events).toContainEqual(expect.objectContaining({ type: 'session.revoked' }));
  });

  it('log out with an access token whose key nobody knows any more: the refresh token tells the session', async () => {
    await test.sessions.rotateKeys({ distrust: true });
    await client.logOut();
    expect(test.events).toContainEqual(expect.objectContaining({ type: 'session.revoked' }));
  });

  it('send no cookies, and the refresh token in the body only', async () => {
    await test.advance('11m');
    await client('/me');
    expect(recording.requests.map(({ credentials }) => credentials)).toEqual(recording.requests.map(() => 'omit'));
    const all = recording.requests.map(({ url, headers }) => url + JSON.stringify([...headers])).join();
    expect(all).not.toContain(storage.tokens!.refreshToken);
  });

  it('save the new refresh token before the new access token is used', async () => {
    await test.advance('11m');
    let finishSaving!: () => void;
    let isSaving = false;
    storage.saving = () => {
      isSaving = true;
      return new Promise(resolve => (finishSaving = resolve));
    };
    const answer = client('/me');
    await until(async () => isSaving);
    await aMoment();
    expect(recording.sent).toEqual(['GET /me', REFRESH]);
    finishSaving();
    expect((await answer).status).toBe(200);
    expect(recording.sent).toEqual(['GET /me', REFRESH, 'GET /me']);
    expect(recording.requests.at(-1)!.headers.get('authorization')).toBe(`Bearer ${storage.tokens!.accessToken}`);
  });

  it('do not use a new access token whose refresh token cannot be saved; the next request starts again', async () => {
    await test.advance('11m');
    const full = new Error('no space left');
    storage.saving = () => Promise.reject(full);
    const before = storage.tokens;
    await expect(client('/me')).rejects.toBe(full);
    expect(recording.take()).toEqual(['GET /me', REFRESH]);
    expect(storage.tokens).toBe(before);
    await test.advance('31s');
    storage.saving = async () => undefined;
    expect((await client('/me')).status).toBe(200);
    expect(ends).toEqual([]);
  });

  it('drop an answer that comes after the refresh was given up', async () => {
    await test.advance('11m');
    const pending: (() => void)[] = [];
    let arrived = 0;
    recording.between = async (request, forward) => {
      // A fetch that ignores the signal: the server has answered, and the answer is late.
      const response = await forward(new Request(request, { signal: null }));
      if (!request.url.endsWith('/refresh')) return response;
      arrived++;
      await new Promise<void>(resolve => pending.push(resolve));
      return response;
    };
    const first = client('/me').catch((error: Error) => error.name);
    await until(async () => arrived === 1);
    timers.advance(10_000);
    expect(await first).toBe('TimeoutError');
    recording.between = undefined;
    await test.advance('31s');
    expect((await client('/me')).status).toBe(200);
    const kept = storage.tokens;
    pending.forEach(release => release());
    await aMoment();
    await aMoment();
    expect(storage.tokens).toBe(kept);
    await test.advance('11m');
    expect((await client('/me')).status).toBe(200);
    expect(ends).toEqual([]);
  });

  it('drop an answer when other tokens have been saved meanwhile: those of another process, or another login', async () => {
    await test.advance('11m');
    const held = recording.hold('/refresh');
    const answer = client('/me');
    await until(async () => recording.sent.includes(REFRESH));
    const other = new SlowStorage();
    await logIn(open(other), 'grace');
    storage.tokens = other.tokens;
    held.release();
    expect(await (await answer).json()).toMatchObject({ userId: 'grace' });
    expect(storage.tokens).toBe(other.tokens);
  });

  it('do not save what a refresh brings after they have logged out', async () => {
    await test.advance('11m');
    let answered!: () => void;
    const late = new Promise<void>(resolve => (answered = resolve));
    let isAnswered = false;
    recording.between = async (request, forward) => {
      const response = await forward(request);
      if (!request.url.endsWith('/refresh')) return response;
      isAnswered = true;
      await late;
      return response;
    };
    const answer = client('/me');
    await until(async () => isAnswered);
    await client.logOut();
    answered();
    expect((await answer).status).toBe(401);
    expect(storage.tokens).toBeUndefined();
    expect(ends).toEqual([{ reason: 'logged_out' }]);
  });

  it('forget the tokens of a session that has ended, and tell the clients that share the storage, and no others', async () => {
    open(storage);
    const foreign = new SlowStorage();
    await logIn(open(foreign));
    await test.sessions.logOut((await session()).sessionId);
    expect((await client('/me')).status).toBe(401);
    await until(async () => ends.length === 2);
    expect(ends).toEqual([{ reason: 'session_revoked' }, { reason: 'session_revoked' }]);
    expect(storage.tokens).toBeUndefined();
    expect(foreign.tokens).toBeDefined();
  });

  const session = async () => (await (await client('/me')).json()) as { sessionId: string };

  it('keep the tokens of a new login when a request of the former session is refused', async () => {
    await test.sessions.logOut((await session()).sessionId);
    const held = recording.hold('/me');
    const answer = client('/me');
    await until(async () => recording.sent.length === 2);
    const other = new SlowStorage();
    await logIn(open(other));
    storage.tokens = other.tokens;
    held.release();
    expect((await answer).status).toBe(401);
    expect(storage.tokens).toBe(other.tokens);
    expect(ends).toEqual([]);
  });

  it('are told of an answer without tokens, and of what is no storage', async () => {
    for (const body of [{}, null, undefined, 'text', { accessToken: 'a' }]) {
      await expect(client.saveTokens(body)).rejects.toThrow(/accessToken and refreshToken/);
    }
    const page = createSessionFetch({ baseUrl: test.url });
    await expect(page.saveTokens(storage.tokens)).rejects.toThrow(/storage/);
  });
});
