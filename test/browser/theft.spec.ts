import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting, turnTo, writeNote } from '../support/browser-user.js';

const explanation = (page: Page) => page.getByRole('heading', { name: 'You were signed out for your safety' });

describeInChromium('a stolen copy, in a browser', () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start();
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  it('R02, scenario 7: the thief was first: the page learns of it at its next use, in all tabs; the copy is refused', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    await writeNote(page, 'a private thought');
    const other = await user.open();
    await greeting(other).waitFor();
    await other.waitForLoadState('networkidle');
    const thief = await user.steal();
    expect((await thief.refresh()).status).toBe(200);
    expect((await thief.send('/me')).status).toBe(200);
    await sample.reaches(1);
    await sample.advance('11m');

    await turnTo(page);
    await Promise.all([page, other].map(tab => explanation(tab).waitFor()));
    await page.getByText('Your sign-in was used from two places.').waitFor();
    expect(await page.content()).not.toContain('a private thought');
    expect(await user.context.cookies()).toEqual([]);
    expect((await thief.sendOnly('/me')).status).toBe(401);
    expect((await thief.refresh()).body.errorCode).toBe('token_theft_detected');

    // The way out that the page shows.
    await page.getByRole('link', { name: 'Sign in again' }).last().click();
    await user.signIn(page);
    await page.getByText('a private thought').waitFor();
  });

  it('R02, scenario 7: the thief was late: refused, and the page learns of it as well', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    const thief = await user.steal();
    await sample.advance('11m');
    await writeNote(page, 'the rightful one goes on');
    await sample.reaches(1);
    await sample.advance('31s');
    expect((await thief.refresh()).body).toMatchObject({ errorCode: 'token_theft_detected', class: 'recent' });

    expect(await greeting(page).isVisible()).toBe(true);
    await turnTo(page);
    await explanation(page).waitFor();
    expect(await user.context.cookies()).toEqual([]);
    expect((await sample.sessions())[0]).toMatchObject({ revoked_reason: 'theft:recent' });
  });
});
