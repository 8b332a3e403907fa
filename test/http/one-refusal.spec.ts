import { Controller, Get, Post, Query, UseInterceptors } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Exchange,
  Public,
  SessionErrorInterceptor,
  SessionExchange,
  SessionService,
  SessionStoreUnavailableError,
} from 'nestjs-jwt-session';
import { SessionHttp } from '../../lib/http/session-http.js';
import { send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
const UNKNOWN = '01900000-0000-7000-8000-000000000000';

@Controller('own')
@UseInterceptors(SessionErrorInterceptor)
class OwnController {
  constructor(private readonly sessions: SessionService) {}

  @Get('data')
  data(@Query('id') id: string) {
    return this.sessions.getData(id);
  }

  @Post('login')
  @Public()
  logIn(@Exchange() exchange: SessionExchange) {
    return this.sessions.logIn('ada', { exchange });
  }

  @Post('refresh')
  refresh() {
    return this.sessions.refresh({ refreshToken: 'junk' });
  }

  @Get('fails')
  fails() {
    throw new Error('not a refusal');
  }
}

describe.each(PLATFORMS)('one refusal on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [OwnController] });
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    test.events.length = 0;
  });

  const refusals = () => test.events.filter(({ type }) => type === 'session.refused');

  it('S17: SessionErrorInterceptor sets the headers of what a route of the application is refused', async () => {
    const { status, headers, body } = await send(`${test.url}/own/data?id=${UNKNOWN}`);
    expect([status, body.errorCode]).toEqual([401, 'session_revoked']);
    expect(headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(refusals()).toEqual([{ type: 'session.refused', code: 'session_revoked' }]);
  });

  it.each([
    ['login', CROSS_SITE, 403, 'csrf_rejected'],
    ['refresh', {}, 401, 'refresh_token_invalid'],
  ])('S17: a %s that service and interceptor both see is one event', async (path, headers, status, code) => {
    const answer = await send(`${test.url}/own/${path}`, { method: 'POST', headers });
    expect([answer.status, answer.body.errorCode]).toEqual([status, code]);
    expect(answer.headers.get('www-authenticate') !== null).toBe(status === 401);
    expect(refusals()).toEqual([{ type: 'session.refused', code }]);
  });

  it('S17: leaves other errors alone', async () => {
    const { status, headers } = await send(`${test.url}/own/fails`);
    expect([status, headers.get('www-authenticate'), headers.get('retry-after')]).toEqual([500, null, null]);
    expect(refusals()).toEqual([]);
  });

  it('S17: requests that fail with one error are each answered', () => {
    const http = test.app.get(SessionHttp, { strict: false });
    const exchanges = [1, 2].map(() => new SessionExchange({ headers: {} }));
    const error = new SessionStoreUnavailableError();
    for (const exchange of [...exchanges, ...exchanges]) http.refuse(error, exchange);
    expect(refusals()).toHaveLength(2);
  });
});
