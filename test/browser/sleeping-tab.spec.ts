import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeInChromium } from '../support/chromium.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { greeting, turnTo, writeNote } from '../support/browser-user.js';

describeInChromium('a tab asleep, in a browser', () => {
  let sample: SampleWithBrowser;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start();
  });
  afterAll(() => sample?.stop());
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  it('scenario 4: frozen for longer than an access token lives, it goes on silently', async () => {
    const user = await sample.user();
    const page = await user.signedIn();
    const devTools = await user.context.newCDPSession(page);
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
    await sample.advance('11m');
    await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    await turnTo(page);
    await writeNote(page, 'after a sleep');
    expect(await greeting(page).isVisible()).toBe(true);
    expect(await sample.sessions()).toMatchObject([{ revoked_reason: null }]);
  });

  it('R02: frozen while another tab refreshed twice, it goes on: tabs keep no tokens of their own', async () => {
    const user = await sample.user();
    const sleeper = await user.signedIn();
    const devTools = await user.context.newCDPSession(sleeper);
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
    const awake = await user.open();
    // A request under way while the clocks move would find them apart, and the tab would refresh twice.
    await awake.waitForLoadState('networkidle');
    for (const [index, text] of ['first', 'second'].entries()) {
      await sample.advance('11m');
      await writeNote(awake, text);
      // A use that is confirmed after the next advance would open the window then.
      await sample.reaches(index + 1);
    }
    await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    await sample.advance('11m');
    await writeNote(sleeper, 'third');
    await sleeper.getByRole('list', { name: 'Notes' }).getByText('second').waitFor();
    const [session] = await sample.sessions();
    expect(session).toMatchObject({ revoked_reason: null });
    expect(session!.generation).toBeGreaterThanOrEqual(2);
  });
});
