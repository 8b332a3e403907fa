import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { HttpProxy } from '../support/http-proxy.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting, type BrowserUser, writeNote } from '../support/browser-user.js';

const REFRESH = 'POST /session/refresh';

describeInChromium('a lost response, in a browser', () => {
  let sample: SampleWithBrowser;
  let proxy: HttpProxy;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start();
    proxy = await HttpProxy.to(sample.url);
  });
  afterAll(async () => {
    await proxy?.close();
    await sample?.stop();
  });
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  /** The page refreshes, the server answers, and nothing arrives. */
  async function loseRefresh(user: BrowserUser, page: Page, text: string): Promise<void> {
    await sample.advance('11m');
    const before = await user.cookie('refresh_token');
    const lost = proxy.loseAnswerTo(REFRESH);
    await page.getByLabel('New note').fill(text);
    await page.getByRole('button', { name: 'Add' }).click();
    await lost;
    await page.getByText('The server cannot be reached.').waitFor();
    // It was no session's end, the server has moved on, and the browser has not heard of it.
    expect(await greeting(page).isVisible()).toBe(true);
    expect((await sample.sessions())[0]).toMatchObject({ last_case: 'm', revoked_reason: null });
    expect(await user.cookie('refresh_token')).toEqual(before);
    expect(user.takeProblems().join('\n')).toMatch(/net::ERR_EMPTY_RESPONSE[^]*Failed to fetch/);
  }

  it.each([
    ['at once', async () => undefined, 'retry-in-window'],
    ['after the leeway', () => sample.advance('31s'), 'retry-of-lost-response'],
  ])('R03: the page goes on when it is used again %s, and what was typed is still there', async (_, wait, named) => {
    const user = await sample.user(proxy.url);
    const page = await user.signedIn();
    await loseRefresh(user, page, `written ${named}`);
    await wait();
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByText('The note is kept.').waitFor();
    await page.getByRole('list', { name: 'Notes' }).getByText(`written ${named}`).waitFor();
    expect(await page.getByLabel('New note').inputValue()).toBe('');

    // The next generation works, too: nothing was taken for theft.
    await sample.advance('11m');
    await writeNote(page, `one more after ${named}`);
    expect((await sample.sessions())[0]).toMatchObject({ revoked_reason: null });
  });
});
