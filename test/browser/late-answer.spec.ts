import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page, Route } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting, signInForm, turnTo, writeNote } from '../support/browser-user.js';

describeInChromium('answers that come in another order than they were asked for, in a browser', () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start();
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  it('a note that was written meanwhile stays in the list', async () => {
    const page = await (await sample.user()).signedIn();
    const answer = await answerUnderWay(page, '/notes');
    await writeNote(page, 'newer');
    await answer.arrives();
    expect(await page.locator('.note').allTextContents()).toEqual(['newer']);
  });

  it('a device that was signed out meanwhile does not come back', async () => {
    await (await sample.user()).signedIn('grace');
    const page = await (await sample.user()).signedIn('grace');
    const answer = await answerUnderWay(page, '/session/devices');
    await page.getByRole('button', { name: 'Sign out the others' }).click();
    await page.getByText('One other device was signed out.').waitFor();
    await answer.arrives();
    expect(await page.getByRole('list', { name: 'Your devices' }).getByRole('listitem').count()).toBe(1);
  });

  it.each(['/me', '/notes'])('who signed out meanwhile stays signed out: %s', async path => {
    const page = await (await sample.user()).signedIn();
    const answer = await answerUnderWay(page, path);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await signInForm(page).waitFor();
    await answer.arrives();
    expect(await greeting(page).isVisible()).toBe(false);
    expect(await signInForm(page).isVisible()).toBe(true);
  });

  /** Turns to the page, and holds back the answer to that request, as it is now. */
  async function answerUnderWay(page: Page, path: string) {
    let take!: (route: Route) => void;
    const request = new Promise<Route>(resolve => (take = resolve));
    let isTaken = false;
    // For as long as the page is open: Chromium loses a request that is sent while interception is switched off, which
    // Playwright does when the last route has been used `times` times.
    await page.route(`**${path}`, async route => {
      if (isTaken) return route.fallback();
      isTaken = true;
      take(route);
    });
    await turnTo(page);
    const route = await request;
    const response = await route.fetch();
    return {
      async arrives() {
        await route.fulfill({ response });
        // What the page does with it, it has done before a later request is answered.
        await page.evaluate("fetch('/.well-known/jwks.json').then(answer => answer.text())");
      },
    };
  }
});
