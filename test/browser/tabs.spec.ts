import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { HttpProxy } from '../support/http-proxy.js';
import { NAIVE_CLIENT } from '../support/naive-client.js';
import { Stage } from '../support/stage.js';
import { greeting, turnTo, type Visitor, writeNote } from '../support/visitor.js';

const REFRESH = 'POST /session/refresh';
const TABS = 8;
const SECONDS = Number(process.env.BROWSER_TABS_SECONDS ?? 20);

/** Tells of everything that a person would see go wrong, however shortly. */
const WATCH = `addEventListener('DOMContentLoaded', () => {
  let signedIn = false;
  const look = () => {
    const form = document.getElementById('signed-out');
    signedIn ||= !document.getElementById('signed-in').hidden;
    if (signedIn && !form.hidden) console.error('the page asks for a sign-in');
    if (document.querySelector('.message.alarm')) console.error(document.querySelector('.message').textContent);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, attributes: true, childList: true });
});`;

interface Outcome {
  readonly problems: string[];
  /** The notes that each tab shows at the end. */
  readonly notes: string[][];
  readonly written: string[];
  readonly refreshes: { readonly most: number; readonly total: number };
}

const CLIENTS = {
  'the client': async () => undefined,
  'no client and no lock, each 401 refreshes': ({ context }: Visitor) =>
    context.route('**/assets/session.js', route =>
      route.fulfill({ contentType: 'text/javascript', body: NAIVE_CLIENT }),
    ),
};
type Client = keyof typeof CLIENTS;

describeInChromium(`${TABS} tabs of one jar for ${SECONDS} s (BROWSER_TABS_SECONDS), tokens of 4 s, leeway 2 s`, () => {
  let stage: Stage;
  let outcomes: Record<Client, Outcome>;
  // At the same time, each in a jar of its own.
  beforeAll(
    async () => {
      stage = await Stage.set({ ACCESS_TOKEN_LIFETIME: '4s', SESSION_LEEWAY: '2s' });
      const clients = Object.keys(CLIENTS) as Client[];
      const ran = await Promise.all(clients.map(async client => [client, await run(client)] as const));
      outcomes = Object.fromEntries(ran) as Record<Client, Outcome>;
    },
    (SECONDS + 160) * 1_000,
  );
  afterAll(() => stage?.strike());

  async function run(client: Client): Promise<Outcome> {
    const proxy = await HttpProxy.to(stage.sample.url);
    const visitor = await stage.visitor(proxy.url);
    await visitor.context.addInitScript(WATCH);
    await CLIENTS[client](visitor);
    const first = await visitor.signedIn();
    const tabs = [first, ...(await Promise.all(Array.from({ length: TABS - 1 }, () => visitor.open())))];
    await Promise.all(tabs.map(tab => greeting(tab).waitFor()));

    const written: string[] = [];
    for (const end = Date.now() + SECONDS * 1_000; Date.now() < end; await sleep(500)) {
      const writer = tabs[written.length % TABS];
      const note = `${client}, ${written.length}`;
      // All are used at the same moment, so that all find the token expired at the same moment.
      await Promise.all(tabs.map(tab => (tab === writer ? writeNote(tab, note) : turnTo(tab))));
      written.push(note);
    }
    const notes = await Promise.all(tabs.map(tab => shownNotes(tab, written.at(-1)!)));
    const { most, total } = proxy.requests(REFRESH);
    const problems = visitor.takeProblems();
    await visitor.context.close();
    await proxy.close();
    return { problems, notes, written, refreshes: { most, total } };
  }

  async function shownNotes(tab: Page, last: string): Promise<string[]> {
    await turnTo(tab);
    const list = tab.getByRole('list', { name: 'Notes' });
    await list.getByText(last, { exact: true }).waitFor();
    return list.locator('.note').allTextContents();
  }

  it.each(Object.keys(CLIENTS) as Client[])(
    'R04, scenario 5: %s: nobody is logged out, nobody sees an error, and no note is lost',
    client => {
      const { problems, notes, written } = outcomes[client];
      expect(problems).toEqual([]);
      expect(notes).toHaveLength(TABS);
      for (const shown of notes) expect(shown).toEqual(expect.arrayContaining(written));
    },
  );

  it('R04: each jar still has the session that it began with, many generations later', async () => {
    const sessions = await stage.sessions();
    expect(sessions).toHaveLength(Object.keys(CLIENTS).length);
    for (const { revoked_reason, generation } of sessions) {
      expect(revoked_reason).toBeNull();
      expect(generation).toBeGreaterThan(2);
    }
  });

  it('with the client one tab refreshes for all of them; without, several do at the same time', () => {
    expect(outcomes['the client'].refreshes.most).toBe(1);
    expect(outcomes['no client and no lock, each 401 refreshes'].refreshes.most).toBeGreaterThan(1);
  });
});
