import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpException, UseGuards } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule, Mutation, Query, Resolver, Subscription } from '@nestjs/graphql';
import { buildSchema, graphql } from 'graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import {
  AccessTokenExpiredError,
  CurrentSession,
  Exchange,
  OptionalSession,
  SessionExchange,
  SessionGuard,
  SessionService,
  TokenTheftDetectedError,
  UserSession,
} from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import {
  ACCESS_COOKIE,
  type AnswerBody,
  CookieClient,
  MARKER_COOKIE,
  REFRESH_COOKIE,
  type SendOptions,
} from '../support/client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

// Nothing here is for GraphQL's sake: the guard and the decorators are those of controllers.
@Resolver()
class SessionResolver {
  constructor(private readonly sessions: SessionService) {}

  @Query(() => String)
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: UserSession): string {
    return session.userId;
  }

  @Query(() => String)
  @OptionalSession()
  @UseGuards(SessionGuard)
  greeting(@CurrentSession() session: UserSession | undefined): string {
    return `hello, ${session?.userId ?? 'stranger'}`;
  }

  @Query(() => String)
  forgotten(@CurrentSession() session: UserSession): string {
    return session.userId;
  }

  @Mutation(() => String)
  @UseGuards(SessionGuard)
  act(@CurrentSession() session: UserSession): string {
    return session.userId;
  }

  @Mutation(() => String)
  async logIn(@Exchange() exchange: SessionExchange): Promise<string> {
    return (await this.sessions.logIn('ada', { exchange })).session.userId;
  }

  @Mutation(() => Boolean)
  logOut(@Exchange() exchange: SessionExchange): Promise<boolean> {
    return this.sessions.logOut(exchange);
  }
}

interface GraphqlAnswer extends AnswerBody {
  data: Record<string, unknown> | null;
  errors?: { message: string; extensions: { code: string; errorCode?: string; originalError?: AnswerBody } }[];
}

// @nestjs/apollo needs @as-integrations/fastify on Fastify; the guard reads `context.req` the same way there.
describe('GraphQL on express', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true, graphiql: false }),
      ],
      providers: [SessionResolver],
    });
  });
  afterAll(() => test?.close());

  async function ask(query: string, headers: SendOptions['headers'] = {}, client = new CookieClient(test.url)) {
    const answer = await client.send('/graphql', { method: 'POST', headers, body: { query } });
    return { ...answer, body: answer.body as GraphqlAnswer };
  }

  it('a resolver is guarded, and gets the session by bearer token', async () => {
    const answer = await ask('{ me }', { ...(await signInAs(test.app, 'grace')) });
    expect(answer.body).toEqual({ data: { me: 'grace' } });
  });

  it('refuses who has no session, with its code in the error', async () => {
    const { body, headers } = await ask('{ me }');
    expect(body.data).toBeNull();
    expect(body.errors).toHaveLength(1);
    expect(body.errors![0]!.extensions.code).toBe('UNAUTHENTICATED');
    expect(body.errors![0]!.extensions.errorCode).toBe('session_missing');
    expect(body.errors![0]!.extensions.originalError).toMatchObject({ statusCode: 401, errorCode: 'session_missing' });
    expect(headers.get('www-authenticate')).toBe('Bearer');
  });

  it('refuses a bad token, also where the session is optional', async () => {
    for (const query of ['{ me }', '{ greeting }']) {
      const { body } = await ask(query, { authorization: 'Bearer junk' });
      expect(body.errors![0]!.extensions.originalError!.errorCode).toBe('access_token_invalid');
    }
    expect((await ask('{ greeting }')).body).toEqual({ data: { greeting: 'hello, stranger' } });
  });

  it('logs in and out by mutations, with cookies on the response', async () => {
    const client = new CookieClient(test.url);
    await ask('mutation { logIn }', {}, client);
    expect([...client.jar.keys()].sort()).toEqual([ACCESS_COOKIE, MARKER_COOKIE, REFRESH_COOKIE].sort());
    expect((await ask('{ me }', {}, client)).body.data).toEqual({ me: 'ada' });
    expect((await ask('mutation { act }', {}, client)).body.data).toEqual({ act: 'ada' });
    expect((await ask('mutation { logOut }', {}, client)).body.data).toEqual({ logOut: true });
    expect(client.jar.size).toBe(0);
  });

  it('X01: a mutation by cookie from a page of another site is refused', async () => {
    const client = new CookieClient(test.url);
    await ask('mutation { logIn }', {}, client);
    const { body } = await ask('mutation { act }', { 'sec-fetch-site': 'cross-site' }, client);
    expect(body.errors![0]!.extensions.originalError).toMatchObject({ statusCode: 403, errorCode: 'csrf_rejected' });
  });

  it('@CurrentSession() where no guard ran names the resolver', async () => {
    const { body } = await ask('{ forgotten }', { ...(await signInAs(test.app, 'grace')) });
    expect(body.errors![0]!.message).toContain('@CurrentSession() in SessionResolver.forgotten: no SessionGuard ran');
    expect(body.errors![0]!.extensions.originalError).not.toBeInstanceOf(HttpException);
  });

  it('two fields in one request are guarded each', async () => {
    const { body } = await ask('{ greeting me }');
    expect(body.errors).toHaveLength(1);
    const both = await ask('{ greeting me }', { ...(await signInAs(test.app, 'grace')) });
    expect(both.body.data).toEqual({ greeting: 'hello, grace', me: 'grace' });
  });
});

it('a GraphQL server that answers errors as they are, such as mercurius, has the code and its details', async () => {
  const schema = buildSchema('type Query { me: String, notes: String }');
  const rootValue = {
    me: () => Promise.reject(new AccessTokenExpiredError()),
    notes: () => Promise.reject(new TokenTheftDetectedError('fork')),
  };
  const { errors } = await graphql({ schema, rootValue, source: '{ me notes }' });
  expect(errors!.map(error => error.toJSON().extensions)).toEqual([
    { errorCode: 'access_token_expired' },
    { errorCode: 'token_theft_detected', class: 'fork' },
  ]);
});

@Resolver()
class NewsResolver {
  @Query(() => String)
  nothing(): string {
    return '';
  }

  @Subscription(() => String)
  @UseGuards(SessionGuard)
  async *news(@CurrentSession() session: UserSession) {
    yield { news: `for ${session.userId}` };
  }
}

// graphql-ws, too, has a request: that of the WebSocket handshake, which browsers send with cookies.
describe('a GraphQL subscription', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          graphiql: false,
          subscriptions: { 'graphql-ws': { connectionInitWaitTimeout: 60_000 } },
        }),
      ],
      providers: [NewsResolver],
    });
  });
  afterAll(() => test?.close());

  /** The first answer of the subscription. */
  async function subscribe(headers: object): Promise<unknown> {
    class WithHeaders extends WebSocket {
      constructor(url: string, protocols: string) {
        super(url, protocols, { headers: { ...headers } });
      }
    }
    const url = `${test.url.replace('http', 'ws')}/graphql`;
    const client = createClient({ url, webSocketImpl: WithHeaders, retryAttempts: 0 });
    try {
      for await (const answer of client.iterate({ query: 'subscription { news }' })) return answer;
    } catch (error) {
      return error;
    } finally {
      await client.dispose();
    }
    return undefined;
  }

  it('is guarded by the credentials of its handshake', async () => {
    expect(await subscribe(await signInAs(test.app, 'ada'))).toEqual({ data: { news: 'for ada' } });
    const client = new CookieClient(test.url);
    await client.logIn('grace');
    const cookie = [...client.jar].map(([name, value]) => `${name}=${value}`).join('; ');
    expect(await subscribe({ cookie })).toEqual({ data: { news: 'for grace' } });
    expect(JSON.stringify(await subscribe({ cookie, origin: 'https://evil.test' }))).toContain('trustedOrigins');
  });

  it('is refused without a session, and says why', async () => {
    expect(JSON.stringify(await subscribe({}))).toContain('No session');
    expect(JSON.stringify(await subscribe({ authorization: 'Bearer junk' }))).toContain('access token is not valid');
  });
});
