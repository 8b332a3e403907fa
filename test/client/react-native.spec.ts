import { readFileSync } from 'node:fs';
import { createContext, SourceTextModule } from 'node:vm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { createSessionFetch as Create, SessionFetch, SessionTokens } from 'nestjs-jwt-session/client';
import { BUILT_PACKAGE } from '../support/built-package.js';
import { RecordingFetch } from '../support/recording-fetch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** What React Native's URL takes for an absolute address: no capitals, and no name of one letter. */
const ABSOLUTE = /^https?:\/\/(\d+(\.\d+){3}|([a-z0-9-]+\.)*[a-z]{2,})(:\d+)?([/?#]\S*)?$/;

/** The `URL` of React Native 0.76: addresses are joined as text, nothing is normalised, and most getters throw. */
class FormerUrl {
  readonly href: string;

  constructor(address: string, base?: string) {
    if (!base || ABSOLUTE.test(address)) this.href = this.completed(address);
    else if (!ABSOLUTE.test(base)) throw new TypeError(`Invalid base URL: ${base}`);
    else this.href = `${base.replace(/\/$/, '')}/${address.replace(/^\//, '')}`;
  }

  protected completed(address: string): string {
    return address.endsWith('/') ? address : `${address}/`;
  }

  toString(): string {
    return this.href;
  }

  get origin(): string {
    throw new Error('URL.origin is not implemented');
  }

  get pathname(): string {
    throw new Error('URL.pathname not implemented');
  }

  get protocol(): string {
    throw new Error('URL.protocol is not implemented');
  }
}

/** That of React Native 0.88: it has the getters, and no setters. */
class PresentUrl extends FormerUrl {
  protected override completed(address: string): string {
    return /^\w+:\/\/[^/?#]+$/.test(address) ? `${address}/` : address;
  }

  override get origin(): string {
    return /^https?:\/\/[^/]+/.exec(this.href)?.[0] ?? '';
  }

  override get pathname(): string {
    return /^https?:\/\/[^/]+(\/[^?#]*)/.exec(this.href)?.[1] ?? '/';
  }

  override get protocol(): string {
    return /^[a-z]+:/i.exec(this.href)?.[0] ?? '';
  }
}

/** Reads the standard's URL as Safari 16 has it. */
class SafariUrl extends URL {
  static override canParse: never = undefined as never;
}

/** A request whose address is the text that the application wrote, like React Native's. */
const unread = (address: string) => Object.defineProperty(new Request(address), 'url', { value: address });

/** The published client, with the globals of that platform and no others. */
async function load(URL: object): Promise<typeof Create> {
  const platform = { URL, Headers, AbortController, setTimeout, clearTimeout, queueMicrotask };
  const context = createContext(platform);
  const text = readFileSync(`${BUILT_PACKAGE}dist/client/index.js`, 'utf8');
  const module = new SourceTextModule(text, { context, identifier: 'client' });
  await module.link(() => {
    throw new Error('The client imports something');
  });
  await module.evaluate();
  return (module.namespace as { createSessionFetch: typeof Create }).createSessionFetch;
}

const URLS = { 'React Native 0.76': FormerUrl, 'React Native 0.88': PresentUrl, 'Safari 16': SafariUrl };
const CASES = PLATFORMS.flatMap(platform => Object.entries(URLS).map(([name, Url]) => [name, platform, Url] as const));

describe.each(CASES)('the client with the URL of %s, on %s', (_, platform, Url) => {
  const REFRESH = 'POST /session/refresh';
  let test: TestApp;
  let recording: RecordingFetch;
  let create: typeof Create;
  let client: SessionFetch;
  beforeAll(async () => {
    test = await startTestApp({ platform });
    create = await load(Url);
  });
  afterAll(() => test?.close());
  beforeEach(async () => {
    recording = new RecordingFetch();
    client = await open(test.url);
  });

  async function open(baseUrl: string): Promise<SessionFetch> {
    let kept: SessionTokens | undefined;
    const storage = {
      load: () => kept,
      save: (tokens: SessionTokens) => void (kept = tokens),
      clear: () => void (kept = undefined),
    };
    const opened = create({ baseUrl, fetch: recording.fetch, storage });
    await opened.saveTokens(await test.sessions.logIn('ada', { transport: 'bearer' }));
    return opened;
  }

  it('refreshes, and repeats a request to a path, to an address, and with a body', async () => {
    await test.advance('11m');
    expect((await client('me')).status).toBe(200);
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    await test.advance('11m');
    expect((await client(`${test.url}/me`)).status).toBe(200);
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    await test.advance('11m');
    expect((await client('/act', { method: 'POST', body: new URLSearchParams({ a: 'b' }) })).status).toBe(200);
    expect(recording.take()).toEqual(['POST /act', REFRESH, 'POST /act']);
    await test.advance('11m');
    expect((await client(unread(`${test.url}/me`))).status).toBe(200);
    expect(recording.take()).toEqual(['GET /me', REFRESH, 'GET /me']);
    await client.logOut();
    expect(recording.take()).toEqual(['POST /session/logout']);
  });

  it('resolves addresses as pages do, below a baseUrl with a path', async () => {
    recording.between = async () => new Response();
    const below = await open(`${test.url}/v1`);
    for (const address of ['me', '/me', '?page=2', 'me?next=//x']) await below(address);
    expect(recording.requests.map(({ url }) => url.replace(test.url, ''))).toEqual([
      '/v1/me',
      '/me',
      '/v1/?page=2',
      '/v1/me?next=//x',
    ]);
  });

  it.each(['https://Elsewhere.example/me', 'https://x/me', 'HTTPS://elsewhere.example/me'])(
    'sends no token to %s',
    async address => {
      recording.between = async () => new Response();
      await client(address);
      await client(unread(address));
      expect(recording.requests.map(({ headers }) => headers.has('authorization'))).toEqual([false, false]);
    },
  );

  it('refuses a baseUrl that is none', () => {
    for (const baseUrl of ['', 'nowhere', '/', 'file:///home', 'http://']) {
      expect(() => create({ baseUrl })).toThrow(/baseUrl must be a URL such as/);
    }
  });
});
