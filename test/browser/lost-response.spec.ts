import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { HttpProxy } from '../support/http-proxy.js';
import { Stage } from '../support/stage.js';
import { greeting, type Visitor, writeNote } from '../support/visitor.js';

const REFRESH = 'POST /session/refresh';

describeInChromium('a lost response, in a browser', () => {
  let stage: Stage;
  let proxy: HttpProxy;
  beforeAll(async () => {
    stage = await Stage.set();
    proxy = await HttpProxy.to(stage.sample.url);
  });
  afterAll(async () => {
    await proxy?.close();
    await stage?.strike();
  });
  afterEach(async () => {
    expect(await stage.clear()).toEqual([]);
  });

  /** The page refreshes, the server answers, and nothing arrives. */
  async function loseRefresh(visitor: Visitor, page: Page, text: string): Promise<void> {
    await stage.pass('11m');
    const before = await visitor.cookie('refresh_token');
    const lost = proxy.loseAnswerTo(REFRESH);
    await page.getByLabel('New note').fill(text);
    await page.getByRole('button', { name: 'Add' }).click();
    await lost;
    await page.getByText('The server cannot be reached.').waitFor();
    // It was no session's end, the server has moved on, and the browser has not heard of it.
    expect(await greeting(page).isVisible()).toBe(true);
    expect((await stage.sessions())[0]).toMatchObject({ last_case: 'mint', revoked_reason: null });
    expect(await visitor.cookie('refresh_token')).toEqual(before);
    expect(visitor.takeProblems().join('\n')).toMatch(/net::ERR_EMPTY_RESPONSE[^]*Failed to fetch/);
  }

  it.each([
    ['at once', async () => undefined, 'retry-in-window'],
    ['after the leeway', () => stage.pass('31s'), 'retry-of-lost-response'],
  ])('R03: the page goes on when it is used again %s, and what was typed is still there', async (_, wait, named) => {
    const visitor = await stage.visitor(proxy.url);
    const page = await visitor.signedIn();
    await loseRefresh(visitor, page, `written ${named}`);
    await wait();
    await page.getByRole('button', { name: 'Add' }).click();
    await page.getByText('The note is kept.').waitFor();
    await page.getByRole('list', { name: 'Notes' }).getByText(`written ${named}`).waitFor();
    expect(await page.getByLabel('New note').inputValue()).toBe('');

    // The next generation works, too: nothing was taken for theft.
    await stage.pass('11m');
    await writeNote(page, `one more after ${named}`);
    expect((await stage.sessions())[0]).toMatchObject({ revoked_reason: null });
  });
});
