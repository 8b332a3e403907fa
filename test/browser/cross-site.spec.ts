import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { ForeignPage, ForeignServer } from '../support/foreign-page.js';
import { HttpProxy } from '../support/http-proxy.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { turnTo, type BrowserUser, writeNote } from '../support/browser-user.js';

const UNSAFE = ['/notes', '/account/password', '/session/logout-others', '/session/logout-all'];
const FOR_EVERYBODY = ['/session/refresh', '/session/logout', '/login'];

const fieldsOf = (path: string): Record<string, string> =>
  path === '/login' ? { username: 'grace', password: 'hopper' } : { text: 'planted' };

describeInChromium('pages of other sites, in a browser', () => {
  let sample: SampleWithBrowser;
  let proxy: HttpProxy;
  let others: ForeignServer;
  let app: string;
  let user: BrowserUser;
  let page: Page;
  let jar: unknown;
  let rounds = 0;
  beforeAll(async () => {
    others = await ForeignServer.start('https');
    sample = await SampleWithBrowser.start({ COOKIES_SECURE: 'true', TRUSTED_ORIGINS: others.at('trusted.bank.test') });
    proxy = await HttpProxy.to(sample.url, 'https');
    app = proxy.at('app.bank.test');
  });
  afterAll(async () => {
    await proxy?.close();
    await others?.close();
    await sample?.stop();
  });
  beforeEach(async () => {
    user = await sample.user(app, { ignoreHTTPSErrors: true });
    page = await user.signedIn();
    jar = await user.context.cookies();
  });
  afterEach(async () => {
    await sample.closeUsers();
  });

  async function expectUntouched(): Promise<void> {
    expect(await user.context.cookies()).toEqual(jar);
    expect((await sample.sessions())[0]).toMatchObject({ generation: 0, last_case: null, revoked_reason: null });
    await turnTo(page);
    await writeNote(page, `still here, ${++rounds}`);
    expect(await sample.database.query("SELECT * FROM note WHERE text = 'planted'")).toEqual([]);
  }

  const foreign = (host: string) => ForeignPage.open(user.context, others.at(host));

  it('C03, X01: another site: a form does nothing, because no cookie goes with it, and leaves the jar as it was', async () => {
    const evil = await foreign('evil.test');
    for (const path of UNSAFE) {
      expect(await evil.submit(app + path, fieldsOf(path))).toMatchObject({
        status: 401,
        withCookies: false,
        text: expect.stringContaining('session_missing'),
      });
    }
    for (const path of FOR_EVERYBODY) {
      expect(await evil.submit(app + path, fieldsOf(path))).toMatchObject({
        status: 403,
        text: expect.stringContaining('csrf_rejected'),
      });
    }
    await expectUntouched();
  });

  it('C03, X01: another site: a fetch with credentials does nothing, and reads nothing', async () => {
    const evil = await foreign('evil.test');
    for (const path of UNSAFE) expect(await evil.fetchBlindly(app + path, fieldsOf(path))).toBe(401);
    for (const path of FOR_EVERYBODY) expect(await evil.fetchBlindly(app + path, fieldsOf(path))).toBe(403);
    const headers = { 'content-type': 'application/json' };
    for (const path of ['/me', '/notes']) expect(await evil.fetch(app + path)).toMatch(/^TypeError/);
    expect(await evil.fetch(`${app}/notes`, { method: 'POST', headers, body: '{"text":"planted"}' })).toMatch(
      /^TypeError/,
    );
    await expectUntouched();
  });

  it.each([
    ['another subdomain', 'sibling.bank.test'],
    ['another port', 'app.bank.test'],
  ])('X03: the same site, %s: refused, although the cookies go with its requests', async (_, host) => {
    const sibling = await foreign(host);
    for (const path of [...UNSAFE, ...FOR_EVERYBODY]) {
      const { status, text, withCookies } = await sibling.submit(app + path, fieldsOf(path));
      expect([path, status, withCookies]).toEqual([path, 403, true]);
      expect(text).toContain('csrf_rejected');
      expect(text).toContain(`origin ${others.at(host)} is not in trustedOrigins`);
      expect(await sibling.fetchBlindly(app + path, fieldsOf(path))).toBe(403);
    }
    await expectUntouched();
  });

  it('X03: a sibling that is in trustedOrigins may', async () => {
    const sibling = await foreign('trusted.bank.test');
    expect(await sibling.submit(`${app}/notes`, { text: 'from a trusted page' })).toMatchObject({ status: 201 });
    expect(await sibling.submit(`${app}/session/logout`)).toMatchObject({ status: 204 });
    expect(await user.context.cookies()).toEqual([]);
  });
});
