import { Controller, Get, Query } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exchange, SessionExchange, SessionService } from 'nestjs-jwt-session';
import type { BrowserContext, Page } from 'playwright-core';
import { describeInWholeChromium, launchWithBoundSessions } from '../support/chromium.js';
import { ACCESS_COOKIE, type AnswerBody, REFRESH_COOKIE } from '../support/client.js';
import { HttpProxy } from '../support/http-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const KEY_ROUTE = 'POST /session/key';

@Controller()
class Callback {
  constructor(private readonly sessions: SessionService) {}

  @Get('callback')
  async logIn(@Query('user') user: string, @Exchange() exchange: SessionExchange) {
    await this.sessions.logIn(user, { exchange, crossSite: true });
    return {};
  }
}

/** Browsers make six signatures per nine minutes and site, so each test has a site of its own. */
describeInWholeChromium('browsers bind sessions by themselves', () => {
  describe.each(PLATFORMS)('%s', platform => {
    let test: TestApp;
    let proxy: HttpProxy;
    let profile: string;
    let context: BrowserContext;

    beforeAll(async () => {
      test = await startTestApp({ platform, session: { binding: { key: 'prefer' } }, controllers: [Callback] });
      proxy = await HttpProxy.to(test.url, 'https');
      profile = mkdtempSync(join(tmpdir(), 'dbsc-'));
      context = await launchWithBoundSessions(profile, proxy.fingerprint);
    }, 60_000);

    afterAll(async () => {
      await context?.close();
      await proxy?.close();
      await test?.close();
      rmSync(profile, { recursive: true, force: true });
    });

    const call = (
      page: Page,
      path: string,
      method = 'GET',
      body?: object,
    ): Promise<{ status: number; body: AnswerBody }> =>
      page.evaluate(
        async ([target, verb, content]) => {
          const headers = content ? { 'content-type': 'application/json' } : undefined;
          const response = await fetch(target!, { method: verb!, headers, body: content });
          const text = await response.text();
          return { status: response.status, body: (text ? JSON.parse(text) : {}) as AnswerBody };
        },
        [path, method, body && JSON.stringify(body)],
      );

    const registered = (before: number) =>
      until(async () => proxy.requests(KEY_ROUTE).total > before && proxy.requests(KEY_ROUTE).underWay === 0);

    /** A page of the site that is logged in, and whose key is in force. */
    async function bound(site: string): Promise<Page> {
      const page = await context.newPage();
      await page.goto(proxy.at(site));
      const before = proxy.requests(KEY_ROUTE).total;
      expect((await call(page, '/login', 'POST', { userId: site })).status).toBe(200);
      await registered(before);
      await until(async () => (await call(page, '/session')).body.boundBy === 'dbsc');
      await test.confirmUses();
      return page;
    }

    const posts = () => proxy.requests(KEY_ROUTE).total;
    const dropCookie = (site: string) => context.clearCookies({ name: ACCESS_COOKIE, domain: site });

    it('D11 registers a key after a login by fetch, and gives the refresh cookie up', async () => {
      await bound('first.test');
      const names = (await context.cookies(proxy.at('first.test') + '/session')).map(({ name }) => name);
      expect(names).toContain(ACCESS_COOKIE);
      expect(names).not.toContain(REFRESH_COOKIE);
      expect((await test.sessions.list('first.test')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('D12 proves the key where the cookie is missing, once for all requests of all tabs', async () => {
      const page = await bound('second.test');
      const pages = [page, await context.newPage(), await context.newPage()];
      await Promise.all(pages.map(each => each.goto(proxy.at('second.test'))));
      await dropCookie('second.test');
      const before = posts();
      const answers = await Promise.all(pages.flatMap(each => [call(each, '/me'), call(each, '/me')]));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
      expect(posts() - before).toBe(1);
    });

    it('D13 refreshes before the POST of a page that refreshes by itself', async () => {
      const page = await bound('third.test');
      await dropCookie('third.test');
      const answer = await call(page, '/session/refresh', 'POST');
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.body)).toEqual(['expiresIn', 'expiresAt']);
    });

    it('D14 forgets the session after a log-out', async () => {
      const page = await bound('fourth.test');
      expect((await call(page, '/session/logout', 'POST')).status).toBe(204);
      expect((await call(page, '/me')).body.errorCode).toBe('session_missing');
      const after = posts();
      expect((await call(page, '/me')).status).toBe(401);
      expect(posts()).toBe(after);
    });

    it('D15 forgets a session that was ended elsewhere, and binds the next login', async () => {
      const page = await bound('fifth.test');
      await test.sessions.logOutAll('fifth.test');
      expect((await call(page, '/me')).body.errorCode).toBe('session_revoked');
      await page.close();
      await bound('fifth.test');
    });

    it('D16 registers a key after a login that a link of another site has caused', async () => {
      const page = await context.newPage();
      await page.goto(proxy.at('elsewhere.test'));
      const before = posts();
      const callback = `${proxy.at('seventh.test')}/callback?user=seventh`;
      await page.evaluate(`void (location.href = ${JSON.stringify(callback)})`);
      await page.waitForURL(callback);
      await registered(before);
      await until(async () => (await call(page, '/session')).body.boundBy === 'dbsc');
      await test.confirmUses();
      expect((await test.sessions.list('seventh')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });

    it('D17 lets no script register a key with the challenge of its login', async () => {
      const page = await context.newPage();
      await page.goto(proxy.at('eighth.test'));
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
      await bound('sixth.test');
      await dropCookie('sixth.test');
      await context.close();
      context = await launchWithBoundSessions(profile, proxy.fingerprint);
      const page = await context.newPage();
      await page.goto(proxy.at('sixth.test'));
      expect((await call(page, '/me')).body.userId).toBe('sixth.test');
    });
  });
});
