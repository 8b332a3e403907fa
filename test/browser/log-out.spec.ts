import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting, signInForm, type BrowserUser, writeNote } from '../support/browser-user.js';

const SECRET = 'nobody else may read this';
let notes = 0;

/** Writes a note that nobody else may read, and waits until it is shown. */
async function writeSecret(page: Page): Promise<string> {
  const note = `${SECRET} ${++notes}`;
  await writeNote(page, note);
  return note;
}

/** All that a page holds, seen or not, typed text included. */
const contentOf = (page: Page) =>
  page.evaluate<string>(
    "document.body.outerHTML + [...document.querySelectorAll('input')].map(input => input.value).join('|')",
  );

describeInChromium('log-out, in a browser', () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start();
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  async function expectSignedOut(page: Page): Promise<void> {
    await signInForm(page).waitFor();
    expect(await greeting(page).isVisible()).toBe(false);
    const content = await contentOf(page);
    for (const text of [SECRET, 'Hello, ada', 'You are an administrator', 'this one'])
      expect(content).not.toContain(text);
  }

  const jarOf = async ({ context }: BrowserUser) => (await context.cookies()).map(({ name }) => name);

  it('C06, scenario 21: log-out in one tab reaches the others, and the jar is empty', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    const note = await writeSecret(page);
    const [second, third, inside] = [await user.open(), await user.open(), await user.open('/inside')];
    await Promise.all([second, third].map(tab => tab.getByText(note).waitFor()));
    await inside.getByRole('button', { name: 'Refresh' }).waitFor();

    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await Promise.all([page, second, third].map(expectSignedOut));
    await second.getByText('You are signed out.').waitFor();
    await inside.getByText('You are not signed in.').waitFor();
    expect(await inside.getByRole('button', { name: 'Refresh' }).isVisible()).toBe(false);
    expect(await jarOf(user)).toEqual([]);
    expect((await sample.sessions())[0]).toMatchObject({ revoked_reason: 'logout' });
  });

  it('scenario 16: signing out everywhere ends another browser, too; it hears why when it is used', async () => {
    const [here, there] = [await sample.user(), await sample.user()];
    const [page, elsewhere] = [await here.signedIn(), await there.signedIn()];
    await page.reload();
    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await expectSignedOut(page);
    await elsewhere.getByLabel('New note').fill('too late');
    await elsewhere.getByLabel('New note').press('Enter');
    await elsewhere.getByText('Your session was ended, from another device').waitFor();
    await expectSignedOut(elsewhere);
    expect([await jarOf(here), await jarOf(there)]).toEqual([[], []]);
  });

  it('C05: back and forward after log-out show nothing private', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    await writeSecret(page);
    await page.getByLabel('New note').fill('half a thought');
    await page.getByRole('link', { name: 'Inside' }).click();
    await page.getByRole('button', { name: 'Refresh' }).waitFor();
    const other = await user.open();
    await other.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await page.getByText('You are not signed in.').waitFor();

    await page.goBack();
    await expectSignedOut(page);
    expect(await contentOf(page)).not.toContain('half a thought');
    await page.goForward();
    await page.getByText('You are not signed in.').waitFor();
    expect(await page.locator('#live, #events li, #track li').filter({ visible: true }).count()).toBe(0);
    await page.goBack();
    await expectSignedOut(page);
  });

  it('C05: back to the page on which somebody signed out shows nothing private', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    await writeSecret(page);
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await signInForm(page).waitFor();
    await page.goto(`${sample.url}/theft`);
    await page.goBack();
    await expectSignedOut(page);
  });

  it('C05: a browser that keeps pages in memory keeps none with private content', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    const note = await writeSecret(page);
    const turn = (type: string) =>
      page.evaluate(`dispatchEvent(new PageTransitionEvent('${type}', { persisted: true }))`);
    await turn('pagehide');
    for (const text of [SECRET, 'Hello, ada', 'this one']) expect(await contentOf(page)).not.toContain(text);
    await turn('pageshow');
    await greeting(page).waitFor();
    await page.getByText(note).waitFor();

    await turn('pagehide');
    await user.context.clearCookies();
    await turn('pageshow');
    await expectSignedOut(page);
  });
});
