import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import { BrowserUser, greeting, signInForm } from '../support/browser-user.js';
import { describeInChromium, launchWithProfile } from '../support/chromium.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';

describeInChromium('the check box "Stay signed in" of the sample', () => {
  let database: TestDatabase;
  let sample: SampleProcess;
  let profile: string;
  let browser: BrowserContext;
  beforeAll(async () => {
    database = await TestDatabase.create();
    sample = await SampleProcess.start(database);
  });
  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
  });
  beforeEach(() => {
    profile = mkdtempSync(join(tmpdir(), 'profile-'));
  });
  afterEach(async () => {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  });

  it.each([true, false])('after the browser was closed and opened again the session is there: %j', async remember => {
    browser = await launchWithProfile(profile);
    const user = new BrowserUser(browser, sample.url);
    const page = await user.open();
    await page.getByLabel('Stay signed in').setChecked(remember);
    await user.signIn(page);
    // A refresh keeps what the log-in has decided.
    expect(await page.evaluate("fetch('/session/refresh', { method: 'POST' }).then(({ ok }) => ok)")).toBe(true);
    await browser.close();

    browser = await launchWithProfile(profile);
    const opened = await new BrowserUser(browser, sample.url).open();
    await (remember ? greeting(opened) : signInForm(opened)).waitFor();
    const tokens = (await browser.cookies()).filter(({ name }) => name.endsWith('_token'));
    expect(tokens.map(({ name }) => name)).toEqual(remember ? [expect.anything(), expect.anything()] : []);
    expect(user.takeProblems()).toEqual([]);
  });
});
