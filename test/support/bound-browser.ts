import { expect } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { launchWithBoundSessions } from './chromium.js';
import { ACCESS_COOKIE, type AnswerBody, BOUND_COOKIE } from './client.js';
import { HttpProxy } from './http-proxy.js';
import type { TestApp } from './test-app.js';
import { until } from './until.js';

export const KEY_ROUTE = 'POST /session/key';

/**
 * Chromium with Device Bound Session Credentials, in front of an application. It makes six signatures per nine minutes
 * and site, so that each test has a site of its own.
 */
export class BoundBrowser {
  private readonly profile = mkdtempSync(join(tmpdir(), 'dbsc-'));

  private constructor(
    private readonly test: TestApp,
    readonly proxy: HttpProxy,
    private context?: BrowserContext,
  ) {}

  static async inFrontOf(test: TestApp): Promise<BoundBrowser> {
    const browser = new BoundBrowser(test, await HttpProxy.to(test.url, 'https'));
    browser.context = await launchWithBoundSessions(browser.profile, browser.proxy.fingerprint);
    return browser;
  }

  /** The same profile in a new process. */
  async restart(): Promise<void> {
    await this.context?.close();
    this.context = await launchWithBoundSessions(this.profile, this.proxy.fingerprint);
  }

  async close(): Promise<void> {
    await this.context?.close();
    await this.proxy.close();
    rmSync(this.profile, { recursive: true, force: true });
  }

  async open(site: string, path = ''): Promise<Page> {
    const page = await this.context!.newPage();
    await page.goto(this.proxy.at(site) + path);
    return page;
  }

  /** Fetches in a page. */
  call(
    page: Page,
    path: string,
    method = 'GET',
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: AnswerBody }> {
    return page.evaluate(
      async given => {
        const type: Record<string, string> = given.content ? { 'content-type': 'application/json' } : {};
        const { method: verb, content } = given;
        const response = await fetch(given.path, {
          method: verb,
          headers: { ...type, ...given.headers },
          body: content,
        });
        const text = await response.text();
        return { status: response.status, body: (text ? JSON.parse(text) : {}) as AnswerBody };
      },
      { path, method, headers, content: body && JSON.stringify(body) },
    );
  }

  /** How often the browser has registered or proved a key. */
  get posts(): number {
    return this.proxy.requests(KEY_ROUTE).total;
  }

  get statuses(): readonly number[] {
    return this.proxy.requests(KEY_ROUTE).statuses;
  }

  /** Waits until the browser has registered a key, and the key is in force. */
  async isBound(page: Page, postsBefore: number): Promise<void> {
    await until(async () => this.posts > postsBefore && this.proxy.requests(KEY_ROUTE).underWay === 0);
    await until(async () => (await this.call(page, '/session')).body.boundBy === 'dbsc');
    await this.test.confirmUses();
  }

  /** A page of the site that is logged in, and whose key is in force. */
  async bound(site: string, userId = site): Promise<Page> {
    const page = await this.open(site);
    await this.logIn(page, userId);
    return page;
  }

  async logIn(page: Page, userId: string): Promise<void> {
    const before = this.posts;
    expect((await this.call(page, '/login', 'POST', { userId })).status).toBe(200);
    await this.isBound(page, before);
  }

  /** The access cookie has reached its age, and the one that is bound. */
  async dropCookie(site: string): Promise<void> {
    for (const name of [ACCESS_COOKIE, BOUND_COOKIE]) await this.context!.clearCookies({ name, domain: site });
  }

  async cookieNames(site: string): Promise<string[]> {
    return (await this.context!.cookies(`${this.proxy.at(site)}/session`)).map(({ name }) => name);
  }

  /** Gives the bound cookie another age. */
  async shorten(site: string, seconds: number): Promise<void> {
    const cookies = await this.context!.cookies(this.proxy.at(site));
    const bound = cookies.find(({ name }) => name === BOUND_COOKIE)!;
    await this.context!.addCookies([{ ...bound, expires: Date.now() / 1000 + seconds }]);
  }
}
