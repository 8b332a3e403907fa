import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { describeInChromium, launchChromium } from '../support/chromium.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { until } from '../support/until.js';

const PASSWORD = 'a garden of seven oaks';

describeInChromium("the pages of the accounts' sample, in a browser", () => {
  let database: TestDatabase;
  let sample: SampleProcess;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    database = await TestDatabase.create();
    sample = await SampleProcess.run('sample/accounts/dist/accounts/main.js', { DATABASE_URL: database.url });
    browser = await launchChromium();
    page = await (await browser.newContext({ baseURL: sample.url })).newPage();
  });
  afterAll(async () => {
    await browser?.close();
    await sample?.stop();
    await database?.drop();
  });

  it('show a mistake at its field, and take it away', async () => {
    await page.goto('/register');
    const password = page.getByLabel('Password');
    await page.getByLabel('E-mail address').fill('ada@example.com');
    await password.fill('short');
    await page.getByRole('button', { name: 'Register' }).click();
    await page.locator('.mistake').waitFor();
    expect(await password.getAttribute('aria-invalid')).toBe('true');
    const [mistake, hint] = (await password.getAttribute('aria-describedby'))!.split(' ');
    expect(await page.locator(`#${mistake}`).textContent()).toContain('15');
    expect(hint).toBe('hint');
    expect(
      await password.evaluate(
        (input: object) => input === (globalThis as { document?: { activeElement: object } }).document!.activeElement,
      ),
    ).toBe(true);
    expect(await page.getByLabel('E-mail address').getAttribute('aria-invalid')).toBeNull();

    await password.fill(PASSWORD);
    await page.getByRole('button', { name: 'Register' }).click();
    await page.waitForURL('**/check-your-mail');
  });

  it('offer another mail where a login says that the address is not verified', async () => {
    await page.goto('/');
    const again = page.getByRole('button', { name: 'Send the mail again' });
    expect(await again.isVisible()).toBe(false);
    await page.getByLabel('E-mail address').fill('ada@example.com');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await again.click();
    await page.getByText('another mail is on its way').waitFor();
  });

  it('verify, log in and log out by the client of the package', async () => {
    const mailed = page.getByRole('link').filter({ hasText: 'verify-email' }).first();
    // The page shows the mails that were sent before it was opened.
    await until(async () => {
      await page.goto('/mails');
      await page.locator('#mails > *').first().waitFor();
      return (await mailed.count()) > 0;
    });
    const link = new URL((await mailed.textContent())!);
    await page.goto(link.pathname + link.hash);
    await page.locator('form').first().getByLabel('Password').fill(PASSWORD);
    await page.locator('form').first().getByRole('button').click();
    await page.locator('#status').filter({ hasText: /\w/ }).waitFor();

    await page.goto('/');
    await page.getByLabel('E-mail address').fill('ada@example.com');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('ada@example.com').waitFor();

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Log in' }).waitFor();
    const left = (await page.context().cookies()).filter(({ name }) => /(access|refresh)_token$/.test(name));
    expect(left).toEqual([]);
  });

  it('keep the session beyond the browser only if the box is checked', async () => {
    const endsWithBrowser = async (isChecked: boolean) => {
      await page.goto('/');
      await page.getByLabel('E-mail address').fill('ada@example.com');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByLabel('Stay logged in').setChecked(isChecked);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL('**/account');
      await page.getByText('ada@example.com').waitFor();
      const cookies = await page.context().cookies();
      return cookies.filter(({ name }) => /_token$|marker$/.test(name)).map(({ expires }) => expires === -1);
    };
    expect(new Set(await endsWithBrowser(false))).toEqual(new Set([true]));
    expect(new Set(await endsWithBrowser(true))).toEqual(new Set([false]));
  });
});
