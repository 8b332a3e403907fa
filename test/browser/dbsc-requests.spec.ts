import {
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  type MessageEvent,
  Post,
  Redirect,
  Sse,
  UseGuards,
} from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { type OnGatewayConnection, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CurrentSession,
  Exchange,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import type { IncomingMessage } from 'node:http';
import { of } from 'rxjs';
import { BoundBrowser, KEY_ROUTE } from '../support/bound-browser.js';
import { describeInWholeChromium } from '../support/chromium.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';
import { type Upgraded, WsSessionGuard } from '../support/ws-session-guard.js';

@Controller()
class Pages {
  constructor(private readonly sessions: SessionService) {}

  /** A form: the answer leads on to another page. */
  @Post('form')
  @Redirect('/me', 303)
  async logIn(@Body() { userId }: { userId: string }, @Exchange() exchange: SessionExchange): Promise<void> {
    await this.sessions.logIn(userId, { exchange });
  }

  @Sse('stream')
  @UseGuards(SessionGuard)
  stream(@CurrentSession() { userId }: UserSession) {
    return of<MessageEvent>({ data: userId });
  }

  @Get('wipe')
  @Header('Clear-Site-Data', '"cookies"')
  wipe() {
    return {};
  }

  @Post('beacon')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  beacon(): void {}
}

@WebSocketGateway({ path: '/ws' })
class Gateway implements OnGatewayConnection {
  handleConnection(client: Upgraded, request: IncomingMessage) {
    client.upgrade = request;
  }

  @SubscribeMessage('me')
  @UseGuards(WsSessionGuard)
  me(@CurrentSession() session: UserSession) {
    return { event: 'answer', data: session.userId };
  }
}

describeInWholeChromium('requests of sessions that browsers bind', () => {
  describe.each(PLATFORMS)('%s', platform => {
    let test: TestApp;
    let browser: BoundBrowser;

    beforeAll(async () => {
      test = await startTestApp({
        platform,
        session: { binding: { key: 'prefer' } },
        controllers: [Pages],
        providers: [Gateway],
        configure: app => app.useWebSocketAdapter(new WsAdapter(app)),
      });
      browser = await BoundBrowser.inFrontOf(test);
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await test?.close();
    });

    it('D20 registers a key after a form whose answer leads to another page', async () => {
      const page = await browser.open('form.test');
      const before = browser.posts;
      await page.setContent('<form method="post" action="/form"><input name="userId" value="form"></form>');
      await page.evaluate('document.forms[0].submit()');
      await page.waitForURL('**/me');
      expect(await page.textContent('body')).toContain('"userId":"form"');
      await browser.isBound(page, before);
    });

    it('D21 sends what the specification says', async () => {
      const page = await browser.bound('words.test');
      const registration = browser.proxy.requests(KEY_ROUTE).headers;
      await browser.dropCookie('words.test');
      await browser.call(page, '/me');
      const refresh = browser.proxy.requests(KEY_ROUTE).headers;
      const read = (segment = '') => JSON.parse(Buffer.from(segment, 'base64url').toString()) as object;
      const [first, second] = [registration, refresh].map(headers => {
        const [header, payload] = String(headers['secure-session-response']).split('.');
        return { header: read(header), payload: read(payload) };
      });
      const jwk = { kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String) };
      expect(first!.header).toEqual({ typ: 'dbsc+jwt', alg: 'ES256', jwk });
      expect(second!.header).toEqual({ typ: 'dbsc+jwt', alg: 'ES256' });
      expect([first, second].map(proof => Object.keys(proof!.payload))).toEqual([['jti'], ['jti']]);
      expect(registration['sec-secure-session-id']).toBeUndefined();
      expect(refresh['sec-secure-session-id']).toMatch(/^"?[\w-]{128}"?$/);
    });

    it('D22 a navigation, an event stream, a WebSocket and a beacon wait for the refresh', async () => {
      const page = await browser.bound('waiting.test');
      const ways: [string, () => Promise<unknown>][] = [
        ['a navigation', async () => (await page.goto(`${browser.proxy.at('waiting.test')}/me`))?.text()],
        [
          'an event stream',
          () =>
            page.evaluate(
              `new Promise((resolve, reject) => {
                const stream = new EventSource('/stream');
                stream.onmessage = ({ data }) => (stream.close(), resolve(data));
                stream.onerror = reject;
              })`,
            ),
        ],
        [
          'a WebSocket',
          () =>
            page.evaluate(
              `new Promise((resolve, reject) => {
                const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
                socket.onopen = () => socket.send('{"event":"me","data":{}}');
                socket.onmessage = ({ data }) => (socket.close(), resolve(data));
                socket.onerror = reject;
              })`,
            ),
        ],
      ];
      for (const [name, ask] of ways) {
        await browser.dropCookie('waiting.test');
        const before = browser.posts;
        const answer = await ask();
        expect([name, answer, browser.posts - before]).toEqual([name, expect.stringContaining('waiting.test'), 1]);
      }
      await browser.dropCookie('waiting.test');
      expect(await page.evaluate("navigator.sendBeacon('/beacon')")).toBe(true);
      await until(async () => browser.proxy.requests('POST /beacon').statuses.length > 0);
      expect(browser.proxy.requests('POST /beacon').statuses).toEqual([204]);
    });

    it('D23 a link of another site finds the user logged in', async () => {
      await browser.bound('target.test');
      await browser.dropCookie('target.test');
      const page = await browser.open('portal.test');
      await page.evaluate(`void (location.href = ${JSON.stringify(`${browser.proxy.at('target.test')}/me`)})`);
      await page.waitForURL('**/me');
      expect(await page.textContent('body')).toContain('"userId":"target.test"');
    });

    it('D24 refreshes ahead where less than two minutes are left, and not before', async () => {
      const page = await browser.bound('ahead.test');
      const before = browser.posts;
      for (let request = 0; request < 3; request++) await browser.call(page, '/me');
      await browser.shorten('ahead.test', 180);
      await browser.call(page, '/me');
      // The attributes of the cookie are those of the instructions, or each request would cause a refresh.
      expect(browser.posts).toBe(before);
      await browser.shorten('ahead.test', 60);
      expect((await browser.call(page, '/me')).status).toBe(200);
      await until(async () => browser.posts > before);
    });

    it('D25 a second login takes the place of the first, whose key is forgotten', async () => {
      const page = await browser.bound('two.test', 'ada');
      await browser.logIn(page, 'grace');
      await browser.dropCookie('two.test');
      const before = browser.posts;
      expect((await browser.call(page, '/me')).body.userId).toBe('grace');
      expect(browser.statuses.slice(before).toSorted()).toEqual([204, 401]);
      await browser.dropCookie('two.test');
      const after = browser.posts;
      expect((await browser.call(page, '/me')).body.userId).toBe('grace');
      expect(browser.statuses.slice(after)).toEqual([204]);
    });

    it('D07 proves the key after an access token was refused, so that the repeat has the new claims', async () => {
      const page = await browser.bound('claims.test');
      const { sessionId } = (await browser.call(page, '/me')).body;
      await test.sessions.setClaims(sessionId!, { role: 'admin' });
      const before = browser.posts;
      expect((await browser.call(page, '/me')).body.errorCode).toBe('access_token_expired');
      expect((await browser.call(page, '/me')).body.claims).toEqual({ role: 'admin' });
      expect(browser.posts - before).toBe(1);
    });

    it('D26 no script names a session', async () => {
      const page = await browser.open('script.test');
      const headers = { 'Sec-Secure-Session-Id': '"x"' };
      expect((await browser.call(page, '/session/key', 'POST', undefined, headers)).status).toBe(401);
      expect(browser.proxy.requests(KEY_ROUTE).headers['sec-secure-session-id']).toBeUndefined();
    });

    it('D33 registers no key over http, not even of localhost', async () => {
      const page = await browser.open('plain.test');
      await page.goto(`${test.url.replace('127.0.0.1', 'localhost')}/session`);
      const login = page.waitForResponse('**/login');
      await browser.call(page, '/login', 'POST', { userId: 'plain' });
      expect(await (await login).headerValue('secure-session-registration')).not.toBeNull();
      // It has had time for the key of a later login.
      await browser.bound('control.test');
      const boundBy = async (userId: string) => (await test.sessions.list(userId)).map(device => device.boundBy);
      expect(await boundBy('control.test')).toEqual(['dbsc']);
      expect(await boundBy('plain')).toEqual([null]);
    });

    it('D27 Clear-Site-Data with "cookies" makes the browser forget the session', async () => {
      const page = await browser.bound('wipe.test');
      await browser.call(page, '/wipe');
      const before = browser.posts;
      expect((await browser.call(page, '/me')).body.errorCode).toBe('session_missing');
      expect(browser.posts).toBe(before);
    });
  });
});
