import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeInChromium } from '../support/chromium.js';
import { Stage } from '../support/stage.js';
import { greeting, turnTo, writeNote } from '../support/visitor.js';

describeInChromium('a tab asleep, in a browser', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage?.strike());
  afterEach(async () => {
    expect(await stage.clear()).toEqual([]);
  });

  it('scenario 4: frozen for longer than an access token lives, it goes on silently', async () => {
    const visitor = await stage.visitor();
    const page = await visitor.signedIn();
    const devTools = await visitor.context.newCDPSession(page);
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
    await stage.pass('11m');
    await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    await turnTo(page);
    await writeNote(page, 'after a sleep');
    expect(await greeting(page).isVisible()).toBe(true);
    expect(await stage.sessions()).toMatchObject([{ revoked_reason: null }]);
  });

  it('R02: frozen while another tab refreshed twice, it goes on: tabs keep no tokens of their own', async () => {
    const visitor = await stage.visitor();
    const sleeper = await visitor.signedIn();
    const devTools = await visitor.context.newCDPSession(sleeper);
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' });
    const awake = await visitor.open();
    for (const text of ['first', 'second']) {
      await stage.pass('11m');
      await writeNote(awake, text);
    }
    await devTools.send('Page.setWebLifecycleState', { state: 'active' });
    await stage.pass('11m');
    await writeNote(sleeper, 'third');
    await sleeper.getByRole('list', { name: 'Notes' }).getByText('second').waitFor();
    const [session] = await stage.sessions();
    expect(session).toMatchObject({ revoked_reason: null });
    expect(session!.generation).toBeGreaterThanOrEqual(2);
  });
});
