import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type DynamicModule, Get } from '@nestjs/common';
import { Public, SessionHealthIndicator } from 'nestjs-jwt-session';
import { send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

// An optional package: the name is not resolved when the tests are type-checked.
const TERMINUS: string = '@nestjs/terminus';
const { HealthCheckService, TerminusModule } = (await import(TERMINUS)) as {
  HealthCheckService: new () => { check(indicators: (() => Promise<object>)[]): Promise<object> };
  TerminusModule: { forRoot(options: object): DynamicModule };
};

type HealthChecks = InstanceType<typeof HealthCheckService>;

describe.each(PLATFORMS)('SessionHealthIndicator in @nestjs/terminus, on %s', platform => {
  @Controller('health')
  class HealthController {
    constructor(
      readonly health: HealthChecks,
      readonly sessions: SessionHealthIndicator,
    ) {}

    @Get()
    @Public()
    check() {
      return this.health.check([() => this.sessions.isHealthy('sessions')]);
    }
  }
  Reflect.defineMetadata('design:paramtypes', [HealthCheckService, SessionHealthIndicator], HealthController);

  let test: TestApp;
  beforeAll(async () => {
    const imports = [TerminusModule.forRoot({ logger: false })];
    test = await startTestApp({ platform, imports, controllers: [HealthController] });
  });
  afterAll(() => test?.close());

  it('is up, with the parts of status()', async () => {
    const { status, body } = await send(`${test.url}/health`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'ok', info: { sessions: { status: 'up', database: { status: 'up' } } } });
    expect(Object.keys((body as { details: { sessions: object } }).details.sessions)).toEqual(
      Object.keys(await test.sessions.status()),
    );
  });

  it('is down, with 503, where the database does not answer', async () => {
    await test.database.drop();
    const { status, body } = await send(`${test.url}/health`);
    expect(status).toBe(503);
    expect(body).toMatchObject({ error: { sessions: { status: 'down', database: { status: 'down' } } } });
  });
});
