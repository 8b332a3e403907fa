import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { Stage } from '../support/stage.js';
import { greeting, turnTo, writeNote } from '../support/visitor.js';

const explanation = (page: Page) => page.getByRole('heading', { name: 'You were signed out for your safety' });

describeInChromium('a stolen copy, in a browser', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.set();
  });
  afterAll(() => stage?.strike());
  afterEach(async () => {
    expect(await stage.clear()).toEqual([]);
  });

  it('R02, scenario 7: the thief was first: the page is told at its next use, in all tabs; the copy is dead', async () => {
    const visitor = await stage.visitor();
    const page = await visitor.signedIn();
    await writeNote(page, 'a private thought');
    const other = await visitor.open();
    await greeting(other).waitFor();
    const thief = await visitor.steal();
    expect((await thief.refresh()).status).toBe(200);
    expect((await thief.send('/me')).status).toBe(200);
    await stage.reaches(1);
    await stage.pass('11m');

    await turnTo(page);
    await Promise.all([page, other].map(tab => explanation(tab).waitFor()));
    await page.getByText('Your sign-in was used from two places.').waitFor();
    expect(await page.content()).not.toContain('a private thought');
    expect(await visitor.context.cookies()).toEqual([]);
    expect((await thief.sendOnly('/me')).status).toBe(401);
    expect((await thief.refresh()).body.errorCode).toBe('token_theft_detected');

    // The way out that the page shows.
    await page.getByRole('link', { name: 'Sign in again' }).last().click();
    await visitor.signIn(page);
    await page.getByText('a private thought').waitFor();
  });

  it('R02, scenario 7: the thief was late: refused, and the page is told all the same', async () => {
    const visitor = await stage.visitor();
    const page = await visitor.signedIn();
    const thief = await visitor.steal();
    await stage.pass('11m');
    await writeNote(page, 'the rightful one goes on');
    await stage.reaches(1);
    await stage.pass('31s');
    expect((await thief.refresh()).body).toMatchObject({ errorCode: 'token_theft_detected', class: 'recent' });

    expect(await greeting(page).isVisible()).toBe(true);
    await turnTo(page);
    await explanation(page).waitFor();
    expect(await visitor.context.cookies()).toEqual([]);
    expect((await stage.sessions())[0]).toMatchObject({ revoked_reason: 'theft:recent' });
  });
});
