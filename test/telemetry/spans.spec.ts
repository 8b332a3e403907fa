import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestApplication, Post } from '@nestjs/common';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { Exchange, type IssuedTokens, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { DataSource } from 'typeorm';
import { CookieClient, send } from '../support/client.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { feedOf } from '../support/revocation.js';
import { type Point, TelemetrySdk } from '../support/telemetry-sdk.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const idOf = (span: ReadableSpan) => span.spanContext().spanId;
const namesOf = (spans: readonly ReadableSpan[]) => spans.map(({ name }) => name);

/** What an instrumentation of HTTP does: a span for each request, in whose context the request is handled. */
function traceRequests(app: INestApplication): void {
  app.use((request: { method: string; url: string }, response: NodeJS.EventEmitter, next: () => void) => {
    const span = trace.getTracer('http').startSpan(`${request.method} ${request.url}`, { kind: SpanKind.SERVER });
    response.once('close', () => span.end());
    context.with(trace.setSpan(context.active(), span), next);
  });
}

@Controller()
class TwoOperationsController {
  constructor(private readonly sessions: SessionService) {}

  @Post('two')
  async two(@Exchange() exchange: SessionExchange) {
    const { session } = await this.sessions.logIn('ada', { exchange });
    return this.sessions.getData(session.id);
  }
}

const isConfirmation = ({ attributes }: Point) => attributes['db.query.summary'] === 'jwt_session_confirm';

describe.each(PLATFORMS)('F33: spans of requests, on %s', platform => {
  let sdk: TelemetrySdk;
  let test: TestApp;
  beforeAll(async () => {
    sdk = await TelemetrySdk.start();
    test = await startTestApp({
      platform,
      session: { telemetry: true },
      controllers: [TwoOperationsController],
      configure: traceRequests,
    });
  });
  beforeEach(() => void sdk.takeSpans());
  afterAll(async () => {
    await test?.close();
    await sdk?.stop();
  });

  /** The spans of the requests that were answered, as soon as all have ended. */
  async function spansOf(requests: number): Promise<ReadableSpan[]> {
    const spans: ReadableSpan[] = [];
    await until(() => {
      spans.push(...sdk.takeSpans());
      return Promise.resolve(spans.filter(({ kind }) => kind === SpanKind.SERVER).length === requests);
    });
    return spans;
  }

  it('a request, its operations and their statements are one trace', async () => {
    await send(`${test.url}/two`, { method: 'POST' });
    const spans = await spansOf(1);
    const [created, logIn, read, getData, request] = spans;
    expect(namesOf(spans)).toEqual([
      'jwt_session_create',
      'jwt_session logIn',
      'jwt_session_get_data',
      'jwt_session getData',
      'POST /two',
    ]);
    expect(spans.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
      idOf(logIn!),
      idOf(request!),
      idOf(getData!),
      idOf(request!),
      undefined,
    ]);
    expect(new Set(spans.map(span => span.spanContext().traceId)).size).toBe(1);
    expect([created, read].map(span => span!.kind)).toEqual([SpanKind.CLIENT, SpanKind.CLIENT]);
    expect([logIn, getData].map(span => span!.kind)).toEqual([SpanKind.INTERNAL, SpanKind.INTERNAL]);
    expect(created!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.query.summary': 'jwt_session_create',
    });
    expect(logIn!.attributes).toEqual({ 'jwt_session.operation': 'logIn' });
  });

  it('a guarded request has none', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await spansOf(1);
    for (let count = 0; count < 3; count++) await client.send('/me');
    await send(`${test.url}/me`);
    const spans = await spansOf(4);
    expect(namesOf(spans)).toEqual(['GET /me', 'GET /me', 'GET /me', 'GET /me']);
  });

  it('background work has none, nor has what a guarded request leaves for later', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    await client.refresh();
    await client.send('/me');
    await spansOf(3);
    await until(async () => (await sdk.read()).get('db.client.operation.duration')!.some(isConfirmation));
    await feedOf(test).poll();
    await test.advance('8d');
    expect(namesOf(sdk.takeSpans())).toEqual([]);
  });

  it('a refusal is no error of the server, and says its code alone', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    const { sessionId } = (await client.send('/me')).body;
    await test.sessions.logOut(sessionId!);
    await spansOf(2);
    sdk.takeSpans();
    await client.refresh();
    const refresh = (await spansOf(1)).find(({ name }) => name === 'jwt_session refresh')!;
    expect(refresh.attributes).toEqual({ 'jwt_session.operation': 'refresh', 'error.type': 'session_revoked' });
    expect(refresh.status).toEqual({ code: SpanStatusCode.UNSET });
  });
});

describe('F33: spans of statements', () => {
  let sdk: TelemetrySdk;
  let test: TestApp;
  beforeAll(async () => {
    sdk = await TelemetrySdk.start();
    test = await startTestApp({ ...PATIENTLY, session: { telemetry: true } });
  });
  beforeEach(() => void sdk.takeSpans());
  afterAll(async () => {
    await test?.close();
    await sdk?.stop();
  });

  const refresh = (tokens: IssuedTokens) => test.sessions.refresh({ refreshToken: tokens.refreshToken! });

  async function sessions(count: number): Promise<IssuedTokens[]> {
    const all: IssuedTokens[] = [];
    while (all.length < count) all.push(await test.sessions.logIn(`user ${all.length}`));
    sdk.takeSpans();
    return all;
  }

  it('a statement that requests share is a part of the first one, with links to the others', async () => {
    await Promise.all((await sessions(5)).map(refresh));
    const spans = sdk.takeSpans();
    const operations = spans.filter(({ name }) => name === 'jwt_session refresh');
    const alone = spans.filter(({ name }) => name === 'jwt_session_rotate');
    const [several, ...more] = spans.filter(({ name }) => name === 'jwt_session_rotate_several');
    expect([operations.length, alone.length, more.length]).toEqual([5, 1, 0]);
    expect(several!.attributes).toMatchObject({ 'db.operation.batch.size': 4 });
    const parents = [alone[0]!, several!].map(({ parentSpanContext }) => parentSpanContext!.spanId);
    const linked = several!.links.map(link => link.context.spanId);
    expect([...parents, ...linked].sort()).toEqual(operations.map(idOf).sort());
  });

  it('a request that is repeated alone is in its own trace', async () => {
    const all = await sessions(4);
    const broken = all[2]!.session.id;
    await test.database.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = '${broken}' THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; END $$`);
    await test.database.query(
      'CREATE TRIGGER refuse_change BEFORE UPDATE ON jwt_session FOR EACH ROW EXECUTE FUNCTION refuse_change()',
    );
    try {
      await Promise.allSettled(all.map(refresh));
    } finally {
      await test.database.query('DROP FUNCTION refuse_change CASCADE');
    }
    const spans = sdk.takeSpans();
    const operations = spans.filter(({ name }) => name === 'jwt_session refresh');
    const alone = spans.filter(({ name }) => name === 'jwt_session_rotate');
    expect(alone.map(({ parentSpanContext }) => parentSpanContext!.spanId).sort()).toEqual(operations.map(idOf).sort());
    const failed = alone.find(({ status }) => status.code === SpanStatusCode.ERROR)!;
    expect(failed.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.query.summary': 'jwt_session_rotate',
      'error.type': 'P0001',
      'db.response.status_code': 'P0001',
    });
    // The message of an error of the database can have values of the row.
    for (const { events, status } of spans) expect([events, status.message]).toEqual([[], undefined]);
  });

  it('a statement in a transaction of the application is a part of its operation', async () => {
    const [{ session }] = (await sessions(1)) as [IssuedTokens];
    await test.app.get(DataSource).transaction(manager => test.sessions.setData(session.id, { a: 1 }, { manager }));
    const [statement, operation, ...others] = sdk.takeSpans();
    expect([operation!.name, ...namesOf(others)]).toEqual(['jwt_session setData']);
    expect(statement!.parentSpanContext!.spanId).toBe(idOf(operation!));
  });
});
