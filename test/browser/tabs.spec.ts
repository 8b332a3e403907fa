import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { describeInChromium } from '../support/chromium.js';
import { HttpProxy } from '../support/http-proxy.js';
import { NAIVE_CLIENT } from '../support/naive-client.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { until } from '../support/until.js';
import { greeting, turnTo, type BrowserUser, writeNote } from '../support/browser-user.js';

const REFRESH = 'POST /session/refresh';
const TABS = 8;
const SECONDS = Number(process.env.BROWSER_TABS_SECONDS ?? 20);
/** However slow the machine is: each round but the first refreshes. */
const MIN_ROUNDS = 5;

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
  'no client and no lock, each 401 refreshes': ({ context }: BrowserUser) =>
    context.route('**/assets/session.js', route =>
      route.fulfill({ contentType: 'text/javascript', body: NAIVE_CLIENT }),
    ),
};
type Client = keyof typeof CLIENTS;

/** Somebody with many tabs, and what they have written. */
class Crowd {
  private readonly written: string[] = [];

  private constructor(
    private readonly client: Client,
    private readonly proxy: HttpProxy,
    private readonly user: BrowserUser,
    private readonly tabs: readonly Page[],
  ) {}

  static async of(client: Client, sample: SampleWithBrowser): Promise<Crowd> {
    const proxy = await HttpProxy.to(sample.url);
    const user = await sample.user(proxy.url);
    await user.context.addInitScript(WATCH);
    await CLIENTS[client](user);
    const first = await user.signedIn();
    const tabs = [first, ...(await Promise.all(Array.from({ length: TABS - 1 }, () => user.open())))];
    await Promise.all(tabs.map(tab => greeting(tab).waitFor()));
    return new Crowd(client, proxy, user, tabs);
  }

  /** All tabs are used at the same moment, so that all find the token expired at the same moment; one writes a note. */
  async use(): Promise<void> {
    const writer = this.tabs[this.written.length % TABS];
    const note = `${this.client}, ${this.written.length}`;
    await Promise.all(this.tabs.map(tab => (tab === writer ? writeNote(tab, note) : turnTo(tab))));
    this.written.push(note);
    await this.showLast();
    await until(async () => this.proxy.underWay === 0);
  }

  async leave(): Promise<Outcome> {
    const notes = await Promise.all(this.tabs.map(tab => tab.locator('.note').allTextContents()));
    const { most, total } = this.proxy.requests(REFRESH);
    const problems = this.user.takeProblems();
    await this.user.context.close();
    await this.proxy.close();
    return { problems, notes, written: this.written, refreshes: { most, total } };
  }

  private async showLast(): Promise<void> {
    await Promise.all(
      this.tabs.map(async tab => {
        await turnTo(tab);
        await tab.getByRole('list', { name: 'Notes' }).getByText(this.written.at(-1)!, { exact: true }).waitFor();
      }),
    );
  }
}

describeInChromium(`${TABS} tabs of one jar for ${SECONDS} s (BROWSER_TABS_SECONDS)`, () => {
  let sample: SampleWithBrowser;
  let outcomes: Record<Client, Outcome>;
  // At the same time, each in a jar of its own.
  beforeAll(
    async () => {
      sample = await SampleWithBrowser.start();
      const clients = Object.keys(CLIENTS) as Client[];
      const crowds = await Promise.all(clients.map(client => Crowd.of(client, sample)));
      const end = Date.now() + SECONDS * 1_000;
      for (let round = 1; round <= MIN_ROUNDS || Date.now() < end; round++) {
        await Promise.all(crowds.map(crowd => crowd.use()));
        await sample.advance('11m');
      }
      const left = await Promise.all(crowds.map(crowd => crowd.leave()));
      outcomes = Object.fromEntries(clients.map((client, index) => [client, left[index]])) as Record<Client, Outcome>;
    },
    (SECONDS + 280) * 1_000,
  );
  afterAll(() => sample?.stop());

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
    const sessions = await sample.sessions();
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
