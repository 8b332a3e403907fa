import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting } from '../support/browser-user.js';

describeInChromium("the sample's live view, in a browser", () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start({ SESSION_LEEWAY: '1s' });
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  it('R03: a lost response does no harm, and the view shows its outcome', async () => {
    const user = await sample.user();
    await user.signedIn();
    const page = await user.open('/inside');
    await page.getByText('generation 0, in use').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Lose one' }).click();
    await page.getByText('The first answer was lost, the second arrived. Nobody was signed out.').waitFor();
    await page.getByText('generation 1, handed out, not seen in use yet').waitFor({ state: 'attached' });
    const events = page.getByRole('list', { name: 'Events' });
    await events.getByText('session.refreshed · mint').waitFor();
    // Within the window, unless the machine is slow.
    await events.getByText(/^session\.replayed · retry-(in-window|of-lost-response)$/).waitFor();
    expect((await sample.sessions())[0]).toMatchObject({ revoked_reason: null });
  });

  it('R02, scenario 7: a stolen copy ends both, and the page explains it', async () => {
    const user = await sample.user();
    const home = await user.signedIn();
    const page = await user.open('/inside');
    await page.getByRole('button', { name: 'Steal it' }).click();
    await page.getByText('A theft was detected, and this session has ended').waitFor();
    const story = page.getByRole('list', { name: 'The theft, step by step' });
    await story.getByText('The second client tries again, and is refused: token_theft_detected.').waitFor();
    await page.getByRole('list', { name: 'Events' }).getByText('session.theft').waitFor();
    expect(await page.getByRole('button', { name: 'Steal it' }).isVisible()).toBe(false);
    // The account's tab has heard of it by itself.
    await home.waitForURL('**/theft');
    await page.getByRole('link', { name: 'What it means' }).click();
    await page.getByRole('heading', { name: 'You were signed out for your safety' }).waitFor();
    expect(await user.context.cookies()).toEqual([]);
  });

  it('F5, scenario 12: keys are rotated and distrusted, and nobody signs in again', async () => {
    const user = await sample.user();
    const home = await user.signedIn();
    const page = await user.open('/inside');
    await page.getByRole('button', { name: 'Rotate' }).click();
    await page.getByText('A new signing key is published.').waitFor();
    await page.getByRole('button', { name: 'Distrust' }).click();
    await page.getByText('nobody had to sign in again').waitFor();
    await home.reload();
    await greeting(home).waitFor();
  });
});
