import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { describeInChromium, launchChromium } from '../support/chromium.js';
import { ForeignPage, ForeignServer } from '../support/foreign-page.js';
import { HttpProxy } from '../support/http-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Sends JSON as a page of the application does. */
function post(page: Page, path: string, body: object): Promise<string> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return page.evaluate<string>(`fetch('${path}', ${JSON.stringify(init)}).then(answer => answer.text())`);
}

describeInChromium('cookies that go with requests of other sites, and answers that all may read, in a browser', () => {
  let browser: Browser;
  let others: ForeignServer;
  beforeAll(async () => {
    [browser, others] = await Promise.all([launchChromium(), ForeignServer.start('https')]);
  });
  afterAll(async () => {
    await browser?.close();
    await others?.close();
  });

  describe.each(PLATFORMS)('on %s', platform => {
    let test: TestApp;
    let proxy: HttpProxy;
    let app: string;
    let context: BrowserContext;
    let own: Page;
    let evil: ForeignPage;
    let jar: unknown;
    beforeAll(async () => {
      test = await startTestApp({
        platform,
        session: { cookies: { sameSite: 'none' } },
        configure: nest => nest.enableCors({ origin: true, credentials: true }),
      });
      proxy = await HttpProxy.to(test.url, 'https');
      app = proxy.at('app.test');
    });
    afterAll(async () => {
      await proxy?.close();
      await test?.close();
    });
    beforeEach(async () => {
      context = await browser.newContext({ ignoreHTTPSErrors: true });
      own = await context.newPage();
      await own.goto(`${app}/me`);
      expect(await post(own, '/login', { userId: 'ada' })).toContain('expiresIn');
      jar = await context.cookies();
      evil = await ForeignPage.open(context, others.at('evil.test'));
    });
    afterEach(() => context.close());

    it('X01: they go, and guarded, refresh, log-out and login are refused; the jar stays as it was', async () => {
      for (const path of ['/act', '/session/logout-all', '/session/refresh', '/session/logout', '/login']) {
        const { status, text, withCookies } = await evil.submit(app + path, { userId: 'mallory' });
        expect([path, status, withCookies]).toEqual([path, 403, true]);
        expect(text).toContain('csrf_rejected');
        // Without cookies where the browser blocks those of third parties.
        const refused = /csrf_rejected|session_missing/;
        expect(await evil.fetch(app + path, { method: 'POST', body: 'userId=mallory', headers: FORM })).toMatch(
          refused,
        );
        expect([401, 403]).toContain(await evil.fetchBlindly(app + path, { userId: 'mallory' }));
      }
      expect(await context.cookies()).toEqual(jar);
      expect(await post(own, '/act', {})).toContain('"userId":"ada"');
    });

    it('X04: a bearer token of its own is let through; junk beside the cookies is no way in', async () => {
      const { accessToken } = await test.sessions.logIn('mallory');
      const act = (token: string) =>
        evil.fetch(`${app}/act`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
      expect(await act(accessToken!)).toContain('"userId":"mallory"');
      for (const junk of ['junk', 'a.b.c', '']) expect(await act(junk)).toMatch(/access_token_invalid|csrf_rejected/);
      expect(await context.cookies()).toEqual(jar);
      expect(await post(own, '/act', {})).toContain('"userId":"ada"');
    });
  });

  it('X02: in the clear there is no Fetch Metadata, and Origin alone refuses the same site on another port', async () => {
    const test = await startTestApp({ session: { cookies: { secure: false } } });
    const sibling = await ForeignServer.start('http');
    const context = await browser.newContext();
    const app = `http://app.test:${new URL(test.url).port}`;
    const own = await context.newPage();
    await own.goto(`${app}/me`);
    await post(own, '/login', { userId: 'ada' });
    const jar = await context.cookies();
    const page = await ForeignPage.open(context, sibling.at('app.test'));
    const seen = context.waitForEvent('request', request => request.url() === `${app}/act`);
    for (const path of ['/act', '/session/refresh', '/session/logout', '/login']) {
      const { status, text, withCookies } = await page.submit(app + path, { userId: 'mallory' });
      expect([path, status, withCookies]).toEqual([path, 403, true]);
      expect(text).toContain(`origin ${sibling.at('app.test')} is not in trustedOrigins`);
    }
    expect(await (await seen).allHeaders()).not.toHaveProperty('sec-fetch-site');
    expect(await context.cookies()).toEqual(jar);
    expect(await post(own, '/act', {})).toContain('"userId":"ada"');
    await context.close();
    await sibling.close();
    await test.close();
  });
});
