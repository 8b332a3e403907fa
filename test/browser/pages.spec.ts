import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';

const SIZES = [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
];

describeInChromium("the sample's pages, for everybody", () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start({ SESSION_LEEWAY: '9s' });
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  it('buttons of equal devices have names of their own', async () => {
    await (await sample.user()).signedIn('grace');
    const page = await (await sample.user()).signedIn('grace');
    const devices = page.getByRole('list', { name: 'Your devices' });
    await devices.getByRole('listitem').nth(1).waitFor();
    const names = await devices.getByRole('button').evaluateAll(buttons => buttons.map(({ ariaLabel }) => ariaLabel));
    expect(names).toHaveLength(2);
    expect(new Set(names.map(name => name!.replace('this one, ', ''))).size).toBe(2);
    expect(await devices.locator('.icon.screen').count()).toBe(2);
  });

  it('an administrator acts as a user below a banner, and comes back by its button', async () => {
    const user = await sample.user();
    const page = await user.signedIn('ada');
    await page.getByRole('button', { name: 'Act as grace' }).click();
    await page.getByRole('heading', { name: 'Hello, grace' }).waitFor();
    const banner = page.getByRole('region', { name: 'You act as somebody else' });
    await banner.getByText('You act as grace, for 15 minutes at most.').waitFor();
    expect(await page.getByRole('button', { name: 'Act as grace' }).count()).toBe(0);
    await page.reload();
    await banner.getByRole('button', { name: 'Be yourself again' }).click();
    await page.getByRole('heading', { name: 'Hello, ada' }).waitFor();
    expect(await banner.isVisible()).toBe(false);
  });

  it('a blank note is refused, by the page and by the server', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    await page.getByLabel('New note').fill('   ');
    await page.getByRole('button', { name: 'Add' }).click();
    expect(
      await page.getByLabel('New note').evaluate((input: { validity: { valid: boolean } }) => input.validity.valid),
    ).toBe(false);
    expect(await page.locator('.note').count()).toBe(0);
    const post = `fetch('/notes', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":" \\\\n"}' })`;
    expect(await page.evaluate(`${post}.then(({ status }) => status)`)).toBe(400);
    expect(user.takeProblems()).toEqual([expect.stringContaining('status of 400')]);
  });

  it.each(SIZES)('on /inside at $width what a button changes is on screen with the button', async size => {
    const user = await sample.user();
    await user.signedIn();
    const page = await user.open('/inside');
    await page.setViewportSize(size);
    for (const name of ['Refresh', 'Lose one', 'Steal it', 'Rotate']) {
      await page.getByRole('button', { name }).scrollIntoViewIfNeeded();
      for (const part of ['#track', '#leeway'])
        expect([name, part, await isOnScreen(page, part)]).toEqual([name, part, true]);
    }
  });

  it('the theft counts down while both wait', async () => {
    const user = await sample.user();
    await user.signedIn();
    const page = await user.open('/inside');
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('button', { name: 'Steal it' }).click();
    const story = page.getByRole('list', { name: 'The theft, step by step' });
    await story
      .getByText(/Both wait until the leeway window is over: \d seconds\. \d s left\./)
      .first()
      .waitFor();
  });

  it('with forced colours the generation in use can be told apart', async () => {
    const user = await sample.user();
    await user.signedIn();
    const page = await user.open('/inside');
    await page.emulateMedia({ forcedColors: 'active' });
    await page.locator('.dot.current').first().waitFor();
    const colourOf = (selector: string) =>
      page
        .locator(selector)
        .first()
        .evaluate((dot: object) => (globalThis as unknown as Styles).getComputedStyle(dot).backgroundColor);
    expect(await colourOf('.dot.current')).not.toBe(await colourOf('body'));
  });

  it('a slow line shows that the page loads', async () => {
    const user = await sample.user();
    const page = await user.context.newPage();
    let answer!: () => void;
    const held = new Promise<void>(resolve => (answer = resolve));
    await page.route('**/me', async route => {
      await held;
      await route.continue();
    });
    await page.goto(user.url);
    await page.getByText('Loading…').waitFor();
    answer();
    await page.getByText('Loading…').waitFor({ state: 'hidden' });
  });
});

interface Styles {
  getComputedStyle(element: object): { backgroundColor: string };
}

function isOnScreen(page: Page, selector: string): Promise<boolean> {
  return page.evaluate<boolean>(`(() => {
    const { top, bottom } = document.querySelector('${selector}').getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  })()`);
}
