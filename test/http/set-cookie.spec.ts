import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Exchange, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { CookieJarClient, parseCookie } from '../support/cookie-jar-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** Does several things with one response. */
@Controller()
class BusyController {
  constructor(
    private readonly sessions: SessionService,
    private readonly host: HttpAdapterHost,
  ) {}

  @Post('switch')
  @HttpCode(200)
  async switch(@Exchange() exchange: SessionExchange) {
    this.setOwn(exchange, 'theme=dark');
    await this.sessions.logOut(exchange);
    this.setOwn(exchange, 'language=en');
    const { session } = await this.sessions.logIn('grace', { exchange });
    return { userId: session.userId };
  }

  @Post('in-and-out')
  @HttpCode(200)
  async inAndOut(@Exchange() exchange: SessionExchange) {
    this.setOwn(exchange, 'theme=dark');
    const { session } = await this.sessions.logIn('ada', { exchange });
    await this.sessions.logOut(session.id, { exchange });
    return {};
  }

  @Get('callback')
  async callback(@Exchange() exchange: SessionExchange) {
    await this.sessions.logIn('ada', { exchange, crossSite: true });
    return {};
  }

  private setOwn({ response }: SessionExchange, cookie: string): void {
    this.host.httpAdapter.appendHeader!(response, 'Set-Cookie', cookie);
  }
}

const namesOf = (setCookie: readonly string[]) => setCookie.map(header => parseCookie(header).name).sort();

describe.each(PLATFORMS)('one response, one word about each cookie, on %s', platform => {
  let test: TestApp;
  let browser: CookieJarClient;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [BusyController] });
    browser = new CookieJarClient(test.url);
    await browser.logIn('ada');
  });
  afterAll(() => test?.close());

  it('a log-out and a login set the new cookies only, and keep the application’s own', async () => {
    const { setCookie } = await browser.sendOnly('/switch', { method: 'POST' });
    const names = [
      '__Host-Http-access_token',
      '__Host-Http-session_marker',
      '__Secure-refresh_token',
      'language',
      'theme',
    ];
    expect(namesOf(setCookie)).toEqual(names);
    for (const cookie of setCookie.map(parseCookie)) expect(cookie.value).not.toBe('');
  });

  it('a login and a log-out clear the cookies', async () => {
    const { setCookie } = await browser.sendOnly('/in-and-out', { method: 'POST' });
    expect(namesOf(setCookie)).toEqual([
      '__Host-Http-access_token',
      '__Host-Http-session_marker',
      '__Secure-refresh_token',
      'theme',
    ]);
    const ours = setCookie.map(parseCookie).filter(({ name }) => name.startsWith('__'));
    expect(ours.map(({ value }) => value)).toEqual(['', '', '']);
  });

  it('C05: an answer to a GET that sets cookies is not stored either', async () => {
    const answer = await browser.sendOnly('/callback', { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(namesOf(answer.setCookie)).toEqual([
      '__Host-Http-access_token',
      '__Host-Http-session_marker',
      '__Secure-refresh_token',
    ]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});
