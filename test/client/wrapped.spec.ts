import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  HttpException,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { createSessionFetch, type SessionEnd, type SessionFetch, type SessionTokens } from 'nestjs-jwt-session/client';
import { map } from 'rxjs';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { RecordingFetch } from '../support/recording-fetch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const REFRESH = 'POST /session/refresh';

/** Answers errors in the application's own form. */
@Catch(HttpException)
class WrappingFilter implements ExceptionFilter {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly wrap: (error: HttpException) => object,
  ) {}

  catch(error: HttpException, host: ArgumentsHost): void {
    const body = { success: false, ...this.wrap(error) };
    this.host.httpAdapter.reply(host.switchToHttp().getResponse(), body, error.getStatus());
  }
}

class WrappingInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler) {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

const FILTERS = [
  { form: 'the whole refusal', wrap: (error: HttpException) => ({ error: error.getResponse() }) },
  { form: 'its message alone', wrap: (error: HttpException) => ({ error: error.message }) },
];
const CASES = PLATFORMS.flatMap(platform => FILTERS.map(({ form, wrap }) => [form, platform, wrap] as const));

describe.each(CASES)('answers that wrap %s, on %s', (_, platform, wrap) => {
  let test: TestApp;
  let recording: RecordingFetch;
  const ends: SessionEnd[] = [];
  const opened: SessionFetch[] = [];
  beforeAll(async () => {
    const configure = (app: TestApp['app']) => {
      app.useGlobalFilters(new WrappingFilter(app.get(HttpAdapterHost), wrap));
      app.useGlobalInterceptors(new WrappingInterceptor());
    };
    test = await startTestApp({ platform, configure });
  });
  afterAll(() => test?.close());
  beforeEach(() => void (ends.length = 0));
  afterEach(() => opened.splice(0).forEach(each => each.close()));

  const post = (client: SessionFetch, path: string) =>
    client(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'session-transport': 'bearer' },
      body: JSON.stringify({ userId: 'ada' }),
    });

  function open(options: Partial<Parameters<typeof createSessionFetch>[0]> = {}): SessionFetch {
    const onSessionEnd = (end: SessionEnd) => void ends.push(end);
    const client = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, onSessionEnd, ...options });
    opened.push(client);
    return client;
  }

  it('a page refreshes, and is told of the end', async () => {
    const browser = new CookieJarClient(test.url);
    recording = new RecordingFetch(browser);
    const page = open();
    await browser.logIn('ada');
    await test.advance('11m');
    expect(await (await page('/me')).json()).toMatchObject({ data: { userId: 'ada' } });
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    await test.sessions.logOutAll('ada');
    expect((await page('/me')).status).toBe(401);
    await until(async () => ends.length > 0);
    expect(ends).toEqual([{ reason: 'session_revoked' }]);
  });

  it('a bearer client finds its tokens, and keeps the refresh token that a refresh leaves out', async () => {
    recording = new RecordingFetch();
    let kept: SessionTokens | undefined;
    const client = open({
      storage: { load: () => kept, save: tokens => void (kept = tokens), clear: () => void (kept = undefined) },
    });
    expect(await client.refresh()).toBe(false);
    await client.saveTokens(await (await post(client, '/login')).json());
    const { accessToken, refreshToken } = kept!;
    await test.advance('11m');
    recording.between = async (request, forward) => {
      const response = await forward(request);
      if (!request.url.endsWith('/refresh')) return response;
      const { data } = (await response.json()) as { data: Record<string, unknown> };
      return Response.json({ data: { ...data, refreshToken: undefined } });
    };
    expect((await client('/me')).status).toBe(200);
    expect(kept!.accessToken).not.toBe(accessToken);
    expect(kept!.refreshToken).toBe(refreshToken);
  });
});

describe('the client', () => {
  let test: TestApp;
  let recording: RecordingFetch;
  let page: SessionFetch;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    const browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    recording = new RecordingFetch(browser);
    page = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch });
  });
  afterEach(() => page.close());

  it('says what an answer without tokens has', async () => {
    const storage = { load: () => undefined, save: () => undefined, clear: () => undefined };
    const client = createSessionFetch({ baseUrl: test.url, storage });
    await expect(client.saveTokens({ data: { token: 'x' } })).rejects.toThrow(
      /no accessToken and refreshToken, but data: .*interceptor/,
    );
  });

  it('takes an error of GraphQL, which is answered with 200, for a refusal', async () => {
    const originalError = { errorCode: 'access_token_expired' };
    const errors = [{ message: 'Unauthorized', extensions: { code: 'UNAUTHENTICATED', originalError } }];
    let answers: object[] = [{ data: null, errors }, { data: { me: 'ada' } }];
    recording.between = async (request, forward) =>
      request.url.endsWith('/graphql') ? Response.json(answers.shift()) : forward(request);
    expect(await (await page('/graphql', { method: 'POST', body: '{}' })).json()).toEqual({ data: { me: 'ada' } });
    expect(recording.take()).toEqual(['POST /graphql', REFRESH, 'POST /graphql']);
    answers = [{ data: { me: 'ada' }, errors: [] }];
    await page('/graphql', { method: 'POST', body: '{}' });
    expect(recording.sent).toEqual(['POST /graphql']);
  });

  it('refreshes when it is told to, for a socket, and has the token of a bearer client', async () => {
    expect(await page.refresh()).toBe(true);
    expect(recording.take()).toEqual([REFRESH]);
    expect(await page.accessToken()).toBeUndefined();
    await test.sessions.logOutAll('ada');
    expect(await page.refresh()).toBe(false);

    let kept: SessionTokens | undefined;
    const storage = {
      load: () => kept,
      save: (tokens: SessionTokens) => void (kept = tokens),
      clear: () => void (kept = undefined),
    };
    const { accessToken, refreshToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    kept = { accessToken: accessToken!, refreshToken: refreshToken! };
    const client = createSessionFetch({ baseUrl: test.url, storage });
    expect(await client.accessToken()).toBe(accessToken);
    expect(await client.refresh()).toBe(true);
    expect(await client.accessToken()).not.toBe(accessToken);
  });

  it('tells all listeners of ends and beginnings, and has the current state', async () => {
    const told: [string, string | undefined][] = [];
    page.subscribe(end => told.push(['first', end?.reason]));
    const stop = page.subscribe(end => told.push(['second', end?.reason]));
    expect(page.ended()).toBeUndefined();
    await page.logOut();
    await new Promise(resolve => setImmediate(resolve));
    expect(page.ended()).toEqual({ reason: 'logged_out' });
    stop();
    await page('/login', { method: 'POST', body: new URLSearchParams({ userId: 'ada' }) });
    await new Promise(resolve => setImmediate(resolve));
    expect(page.ended()).toBeUndefined();
    expect(told).toEqual([
      ['first', 'logged_out'],
      ['second', 'logged_out'],
      ['first', undefined],
    ]);
  });

  it('runs where URLs have no canParse and cannot be changed, as in React Native and Safari 16', async () => {
    const { get, set } = Object.getOwnPropertyDescriptor(URL.prototype, 'pathname')!;
    const { canParse } = URL;
    Object.defineProperty(URL.prototype, 'pathname', { get, configurable: true });
    Object.defineProperty(URL, 'canParse', { value: undefined, configurable: true, writable: true });
    try {
      const fetch = recording.fetch;
      const client = createSessionFetch({ baseUrl: `${test.url}?a#b`, fetch });
      expect((await client('me')).status).toBe(200);
      expect(() => createSessionFetch({ baseUrl: 'nowhere', fetch })).toThrow(/baseUrl must be a URL/);
    } finally {
      Object.defineProperty(URL.prototype, 'pathname', { get, set, configurable: true });
      Object.defineProperty(URL, 'canParse', { value: canParse, configurable: true, writable: true });
    }
  });
});
