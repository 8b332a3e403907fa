import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Post, UseGuards } from '@nestjs/common';
import { isAxiosError } from 'axios';
import { HTTPError } from 'ky';
import { SessionGuard } from 'nestjs-jwt-session';
import { createSessionFetch, type SessionEnd, type SessionFetch, type SessionTokens } from 'nestjs-jwt-session/client';
import { axiosWith, kyWith, openApiWith } from '../docs/recipes/http-libraries.js';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { RecordingFetch } from '../support/recording-fetch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

interface Note {
  readonly text: string;
}

@Controller('notes')
@UseGuards(SessionGuard)
class NotesController {
  readonly notes: Note[] = [];

  @Get()
  list() {
    return { data: this.notes };
  }

  @Post()
  write(@Body() note: Note) {
    this.notes.push(note);
    return { data: note };
  }
}

/** From the document of openapi-typescript, reduced to what is used. */
interface Paths {
  '/notes': {
    get: { responses: { 200: { content: { 'application/json': { data: Note[] } } } } };
    post: {
      requestBody: { content: { 'application/json': Note } };
      responses: { 201: { content: { 'application/json': { data: Note } } } };
    };
  };
}

/** One library: both answer 401 for one that is refused. */
interface Library {
  list(): Promise<Note[] | 401>;
  write(note: Note): Promise<Note | 401>;
}

const LIBRARIES: Record<string, (api: SessionFetch, url: string) => Library> = {
  axios(api, url) {
    const client = axiosWith(api, url);
    const unless401 = async <T>(answer: Promise<{ data: { data: T } }>): Promise<T | 401> => {
      try {
        return (await answer).data.data;
      } catch (error) {
        if (isAxiosError(error) && error.response?.status === 401) return 401;
        throw error;
      }
    };
    return {
      list: () => unless401<Note[]>(client.get('/notes')),
      write: note => unless401<Note>(client.post('/notes', note)),
    };
  },
  ky(api, url) {
    const client = kyWith(api);
    const unless401 = async <T>(answer: Promise<{ data: T }>): Promise<T | 401> => {
      try {
        return (await answer).data;
      } catch (error) {
        if (error instanceof HTTPError && error.response.status === 401) return 401;
        throw error;
      }
    };
    return {
      list: () => unless401<Note[]>(client.get(`${url}/notes`).json()),
      write: note => unless401<Note>(client.post(`${url}/notes`, { json: note }).json()),
    };
  },
  'openapi-fetch'(api, url) {
    const client = openApiWith<Paths>(api, url);
    return {
      async list() {
        const { data, response } = await client.GET('/notes');
        return response.status === 401 ? 401 : data!.data;
      },
      async write(note) {
        const { data, response } = await client.POST('/notes', { body: note });
        return response.status === 401 ? 401 : data!.data;
      },
    };
  },
};

const REFRESH = 'POST /session/refresh';
const CASES = PLATFORMS.flatMap(platform =>
  Object.entries(LIBRARIES).map(([name, of]) => [name, platform, of] as const),
);

describe.each(CASES)('%s on the session’s fetch, on %s', (_, platform, libraryOn) => {
  let test: TestApp;
  let recording: RecordingFetch;
  let client: SessionFetch;
  let ends: SessionEnd[];
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [NotesController] });
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    ends = [];
    test.app.get(NotesController).notes.length = 0;
  });
  afterEach(() => client?.close());

  const onSessionEnd = (end: SessionEnd) => void ends.push(end);

  async function page(): Promise<Library> {
    const browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
    recording = new RecordingFetch(browser);
    client = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, onSessionEnd });
    return libraryOn(client, test.url);
  }

  async function bearer(): Promise<Library> {
    recording = new RecordingFetch();
    let kept: SessionTokens | undefined;
    const storage = {
      load: () => kept,
      save: (tokens: SessionTokens) => void (kept = tokens),
      clear: () => void (kept = undefined),
    };
    client = createSessionFetch({ baseUrl: test.url, fetch: recording.fetch, storage, onSessionEnd });
    await client.saveTokens(await test.sessions.logIn('ada', { transport: 'bearer' }));
    return libraryOn(client, test.url);
  }

  describe.each([
    ['in a page', page],
    ['with bearer tokens', bearer],
  ])('%s', (__, open) => {
    it('three expired requests share one refresh, and a body is sent again', async () => {
      const library = await open();
      await test.advance('11m');
      const [first, second] = await Promise.all([
        library.write({ text: 'milk' }),
        library.write({ text: 'bread' }),
        library.list(),
      ]);
      expect([first, second]).toEqual([{ text: 'milk' }, { text: 'bread' }]);
      expect(recording.take().filter(sent => sent === REFRESH)).toEqual([REFRESH]);
      expect(await library.list()).toHaveLength(2);
      expect(recording.take()).toEqual(['GET /notes']);
      expect(ends).toEqual([]);
    });

    it('the end of the session reaches the library as a 401, and the page', async () => {
      const library = await open();
      await test.sessions.logOutAll('ada');
      expect(await library.write({ text: 'late' })).toBe(401);
      expect(recording.take()).toEqual(['POST /notes']);
      await until(async () => ends.length > 0);
      expect(ends).toEqual([{ reason: 'session_revoked' }]);
    });
  });
});
