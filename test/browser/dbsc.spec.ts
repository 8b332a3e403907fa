import { Controller, Get, Query } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Exchange, SessionExchange, SessionService } from 'nestjs-jwt-session';
import { BoundBrowser } from '../support/bound-browser.js';
import { describeInWholeChromium } from '../support/chromium.js';
import { ACCESS_COOKIE, REFRESH_COOKIE } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

@Controller()
class Callback {
  constructor(private readonly sessions: SessionService) {}

  @Get('callback')
  async logIn(@Query('user') user: string, @Exchange() exchange: SessionExchange) {
    await this.sessions.logIn(user, { exchange, crossSite: true });
    return {};
  }
}

describeInWholeChromium('browsers bind sessions by themselves', () => {
  describe.each(PLATFORMS)('%s', platform => {
    let test: TestApp;
    let other: TestApp;
    let browser: BoundBrowser;

    beforeAll(async () => {
      const session = { binding: { key: 'prefer' } } as const;
      test = await startTestApp({ platform, session, controllers: [Callback] });
      other = await startTestApp({ platform, session, database: test.database, clock: test.clock });
      browser = await BoundBrowser.inFrontOf(test);
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await other?.close();
      await test?.close();
    });

    it('D11 registers a key after a login by fetch, and gives the refresh cookie up', async () => {
      await browser.bound('first.test');
      const names = await browser.cookieNames('first.test');
      expect(names).toContain(ACCESS_COOKIE);
      expect(names).not.toContain(REFRESH_COOKIE);
      expect((await test.sessions.list('first.test')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('D12 proves the key where the cookie is missing, once for all requests of eight tabs', async () => {
      const page = await browser.bound('second.test');
      const others = await Promise.all(Array.from({ length: 7 }, () => browser.open('second.test')));
      const pages = [page, ...others];
      await browser.dropCookie('second.test');
      const before = browser.posts;
      const answers = await Promise.all(pages.flatMap(each => [browser.call(each, '/me'), browser.call(each, '/me')]));
      expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200));
      expect(browser.posts - before).toBe(1);
    });

    it('D13 refreshes before the POST of a page that refreshes by itself', async () => {
      const page = await browser.bound('third.test');
      await browser.dropCookie('third.test');
      const answer = await browser.call(page, '/session/refresh', 'POST');
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.body)).toEqual(['expiresIn', 'expiresAt']);
    });

    it('D14 forgets the session after a log-out', async () => {
      const page = await browser.bound('fourth.test');
      expect((await browser.call(page, '/session/logout', 'POST')).status).toBe(204);
      expect((await browser.call(page, '/me')).body.errorCode).toBe('session_missing');
      const after = browser.posts;
      expect((await browser.call(page, '/me')).status).toBe(401);
      expect(browser.posts).toBe(after);
    });

    it('D15 forgets a session that another process has ended, and binds the next login', async () => {
      const page = await browser.bound('fifth.test');
      await other.sessions.logOutAll('fifth.test');
      expect((await browser.call(page, '/me')).body.errorCode).toBe('session_revoked');
      await page.close();
      await browser.bound('fifth.test');
    });

    it('D16 registers a key after a login that a link of another site has caused', async () => {
      const page = await browser.open('elsewhere.test');
      const before = browser.posts;
      const callback = `${browser.proxy.at('seventh.test')}/callback?user=seventh`;
      await page.evaluate(`void (location.href = ${JSON.stringify(callback)})`);
      await page.waitForURL(callback);
      await browser.isBound(page, before);
      expect((await test.sessions.list('seventh')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('D17 lets no script register a key with the challenge of its login', async () => {
      const page = await browser.open('eighth.test');
      const statuses = await page.evaluate(async () => {
        const base64url = (bytes: ArrayBuffer) =>
          btoa(String.fromCharCode(...new Uint8Array(bytes)))
            .replaceAll('+', '-')
            .replaceAll('/', '_')
            .replaceAll('=', '');
        const segment = (value: object) => btoa(JSON.stringify(value)).replace(/=+$/, '');
        const headers = { 'content-type': 'application/json' };
        const login = await fetch('/login', { method: 'POST', headers, body: '{"userId":"eighth"}' });
        const header = login.headers.get('secure-session-registration') ?? '';
        const challenge = /challenge="([^"]+)"/.exec(header)![1];
        const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
        const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign']);
        const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
        const jwk = { kty, crv, x, y };
        const content = `${segment({ typ: 'dbsc+jwt', alg: 'ES256', jwk })}.${segment({ jti: challenge })}`;
        const signature = await crypto.subtle.sign(algorithm, privateKey, new TextEncoder().encode(content));
        const proof = { 'Secure-Session-Response': `${content}.${base64url(signature)}` };
        const send = async (mode: 'cors' | 'same-origin' | 'no-cors') =>
          (await fetch('/session/key', { method: 'POST', mode, headers: proof })).status;
        return [await send('cors'), await send('same-origin'), await send('no-cors')];
      });
      expect(statuses).toEqual([401, 401, 401]);
    });

    it('D18 has the session after a restart', async () => {
      await browser.bound('sixth.test');
      await browser.dropCookie('sixth.test');
      await browser.restart();
      const before = browser.posts;
      const page = await browser.open('sixth.test');
      expect((await browser.call(page, '/me')).body.userId).toBe('sixth.test');
      // The browser keeps the key, and not the challenge.
      expect(browser.statuses.slice(before)).toEqual([403, 204]);
    });
  });
});
