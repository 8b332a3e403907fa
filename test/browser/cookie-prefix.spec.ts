import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext } from 'playwright-core';
import { describeInChromium, launchChromium } from '../support/chromium.js';
import { ACCESS_COOKIE } from '../support/client.js';
import { HttpProxy } from '../support/http-proxy.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

describeInChromium('cookies that a sibling domain sets, in a browser', () => {
  let browser: Browser;
  let setCookie: string;
  let sibling: Server;
  let siblingTls: HttpProxy;
  beforeAll(async () => {
    browser = await launchChromium();
    // Node writes headers as latin1 beside a buffer, as UTF-8 beside a text.
    sibling = createServer((_request, response) => response.setHeader('Set-Cookie', setCookie).end(Buffer.from('set')));
    sibling.listen(0, '127.0.0.1');
    await once(sibling, 'listening');
    siblingTls = await HttpProxy.to(`http://127.0.0.1:${(sibling.address() as AddressInfo).port}`, 'https');
  });
  afterAll(async () => {
    await browser?.close();
    await siblingTls?.close();
    sibling?.close();
  });

  describe.each(PLATFORMS)('on %s', platform => {
    let test: TestApp;
    let proxy: HttpProxy;
    let mallory: string;
    beforeAll(async () => {
      test = await startTestApp({ platform });
      proxy = await HttpProxy.to(test.url, 'https');
      mallory = (await test.sessions.logIn('mallory', { transport: 'bearer' })).accessToken!;
    });
    afterAll(async () => {
      await proxy?.close();
      await test?.close();
    });

    async function visit(context: BrowserContext, url: string): Promise<string> {
      const page = await context.newPage();
      const answer = await page.goto(url);
      return (await answer!.text()).replace(/.*"(?:errorCode|userId)":"(\w+)".*/, '$1');
    }

    it.each([
      // The control: browsers refuse the prefix itself.
      ['', false],
      ['\xA0', true],
    ])('C01: a name that begins with %j makes nobody the attacker', async (byte, isKept) => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      setCookie = `${byte}${ACCESS_COOKIE}=${mallory}; Domain=garden.test; Path=/; Secure`;
      expect(await visit(context, siblingTls.at('sibling.garden.test'))).toBe('set');
      expect(await context.cookies()).toHaveLength(isKept ? 1 : 0);
      expect(await visit(context, `${proxy.at('app.garden.test')}/me`)).toBe('session_missing');
      await context.close();
    });
  });
});
