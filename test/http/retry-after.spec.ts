import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  NotFoundException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { RetryAfterFilter } from '../../lib/http/retry-after.filter.js';
import { SessionService, SessionStoreUnavailableError } from 'nestjs-jwt-session';
import { send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';
import { TestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** Routes of an application without SessionErrorInterceptor. */
@Controller()
class OwnController {
  constructor(private readonly sessions: SessionService) {}

  @Get('list')
  list() {
    return this.sessions.list('ada');
  }

  @Get('maintenance')
  maintenance() {
    throw new ServiceUnavailableException('we are away');
  }

  @Get('missing')
  missing() {
    throw new NotFoundException();
  }
}

/** An application's filter that answers everything in its own way. */
@Catch(HttpException)
class OwnFilter implements ExceptionFilter<HttpException> {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: HttpException, host: ArgumentsHost): void {
    this.host.httpAdapter.reply(host.switchToHttp().getResponse(), { own: error.message }, error.getStatus());
  }
}

describe.each(PLATFORMS)('issue 15, point 9: routes of the application without the interceptor, on %s', platform => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  const apps: TestApp[] = [];
  const start = async (options: TestAppOptions = {}) => {
    const test = await startTestApp({
      platform,
      database,
      clock: apps[0]?.clock,
      typeorm: { url: proxy.url },
      controllers: [OwnController],
      ...options,
    });
    apps.push(test);
    return test;
  };
  beforeAll(async () => {
    database = await TestDatabase.create();
    proxy = await TcpProxy.to(database.url);
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await proxy?.close();
    await database?.drop();
  });

  it('answer 503 with Retry-After and the body that Nest gives; other answers are as they were', async () => {
    const test = await start();
    await proxy.refuse();
    const answer = await send(`${test.url}/list`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.body).toEqual(new SessionStoreUnavailableError().getResponse());
    const maintenance = await send(`${test.url}/maintenance`);
    expect([maintenance.status, maintenance.headers.get('retry-after')]).toEqual([503, null]);
    expect(maintenance.body).toEqual(new ServiceUnavailableException('we are away').getResponse());
    expect((await send(`${test.url}/missing`)).status).toBe(404);
    await proxy.restore();
    expect((await send(`${test.url}/list`)).status).toBe(200);
  });

  it.each([
    { by: 'APP_FILTER', options: { providers: [{ provide: APP_FILTER, useClass: OwnFilter }] } },
    {
      by: 'useGlobalFilters',
      options: { configure: app => void app.useGlobalFilters(new OwnFilter(app.get(HttpAdapterHost))) },
    },
  ] satisfies { by: string; options: TestAppOptions }[])('a filter by $by comes first', async ({ options }) => {
    const test = await start(options);
    await proxy.refuse();
    const answer = await send(`${test.url}/list`);
    expect([answer.status, answer.body]).toEqual([503, { own: expect.stringMatching(/repeating is safe/) }]);
    await proxy.restore();
  });

  it('microservices and GraphQL answer in their own way', async () => {
    const filter = (apps[0] ?? (await start())).app.get(RetryAfterFilter);
    for (const type of ['rpc', 'graphql']) {
      const host = new ExecutionContextHost([{}, {}]);
      host.setType(type);
      expect(filter.catch(new SessionStoreUnavailableError(), host)).toBeUndefined();
    }
  });
});
