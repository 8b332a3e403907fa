import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, CookieClient } from '../support/client.js';
import { interleavings } from '../support/interleavings.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** Several tabs with one cookie jar, which refresh without coordination. */
class SharedJarTabs {
  private readonly requests: (CookieClient | undefined)[] = [];
  private readonly answers: (Answer | undefined)[] = [];

  constructor(
    private readonly test: TestApp,
    readonly client: CookieClient,
    /** Whether a tab uses the access token that it got. */
    private readonly usesAccess: boolean,
  ) {}

  static async loggedIn(test: TestApp, usesAccess: boolean): Promise<SharedJarTabs> {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    return new SharedJarTabs(test, client, usesAccess);
  }

  /**
   * The tab's request leaves with what is in the jar now, reaches the server now, and its answer is kept for `apply`.
   */
  async send(tab: number): Promise<void> {
    this.leave(tab);
    await this.arrive(tab);
  }

  leave(tab: number): void {
    this.requests[tab] = this.client.copy();
  }

  async arrive(tab: number): Promise<void> {
    const answer = await this.requests[tab]!.refresh();
    expect(answer).toMatchObject({ status: 200 });
    this.requests[tab] = undefined;
    this.answers[tab] = answer;
  }

  async apply(tab: number): Promise<void> {
    this.client.keep(this.answers[tab]!);
    this.answers[tab] = undefined;
    if (!this.usesAccess) return;
    expect(await this.client.send('/me')).toMatchObject({ status: 200 });
    await this.test.confirmUses();
  }

  /** The tab's next step: of two, send and apply; of three, the request is under way for a while, too. */
  async step(tab: number, of: number): Promise<void> {
    if (this.answers[tab]) return this.apply(tab);
    if (of === 2) return this.send(tab);
    if (this.requests[tab]) return this.arrive(tab);
    this.leave(tab);
  }
}

describe.each(PLATFORMS)('tabs that share a jar on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  /** Nobody was told "theft", and after the window the token in the jar is the one that rotates. */
  async function expectToLiveOn(clients: CookieClient[]): Promise<void> {
    expect(test.events.filter(({ type }) => type === 'session.theft')).toEqual([]);
    // Else a use that is still to be written would begin a window after the clock has moved.
    await test.confirmUses();
    await test.advance('31s');
    await inBatches(clients, async client => {
      const before = client.refreshToken;
      expect(await client.refresh()).toMatchObject({ status: 200 });
      expect(client.refreshToken).not.toBe(before);
      expect(await client.send('/me')).toMatchObject({ status: 200 });
    });
  }

  it('R04: 50 parallel refreshes of one token all succeed and make one lineage', async () => {
    const { client } = await SharedJarTabs.loggedIn(test, false);
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.sendOnly(REFRESH, POST)));

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const tokens = answers.map(answer => {
      const tab = client.copy();
      tab.keep(answer);
      return tab.refreshToken;
    });
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).not.toBe(client.refreshToken);

    client.keep(answers[0]!);
    // The next generation works for as many, and a token that is known to have arrived is not set again.
    const again = await Promise.all(Array.from({ length: 50 }, () => client.sendOnly(REFRESH, POST)));
    expect(again.map(({ status }) => status)).toEqual(again.map(() => 200));
    expect(again.flatMap(({ setCookie }) => setCookie).filter(cookie => cookie.includes('refresh_token'))).toEqual([]);
    await expectToLiveOn([client]);
    await expectToLiveOn([client]);
  });

  it.each([
    { tabs: 2, steps: 3, usesAccess: false },
    { tabs: 2, steps: 3, usesAccess: true },
    { tabs: 3, steps: 2, usesAccess: false },
    { tabs: 3, steps: 2, usesAccess: true },
  ])(
    'R04: $tabs tabs, $steps steps each in every order, access token used: $usesAccess',
    async ({ tabs, steps, usesAccess }) => {
      const clients = await inBatches(interleavings(tabs, steps), async order => {
        const browser = await SharedJarTabs.loggedIn(test, usesAccess);
        for (const tab of order) await browser.step(tab, steps);
        return browser.client;
      });
      await expectToLiveOn(clients);
    },
  );

  // The window ends while something is under way, at each place in each order. An exchange lasts 5 s, less than half
  // the leeway.
  it.each([{ usesAccess: false }, { usesAccess: true }])(
    'R04: a late answer across the end of the window, access token used: $usesAccess',
    async ({ usesAccess }) => {
      const orders = interleavings(2, 3);
      const clients: CookieClient[] = [];
      for (const gap of [2, 3, 4]) {
        const browsers = await inBatches(orders, async () => {
          const browser = await SharedJarTabs.loggedIn(test, usesAccess);
          await browser.send(0);
          await browser.apply(0);
          return browser;
        });
        await test.advance('28s');
        await inBatches(browsers, async (browser, index) => {
          for (const tab of orders[index]!.slice(0, gap)) await browser.step(tab, 3);
        });
        await test.advance('5s');
        await inBatches(browsers, async (browser, index) => {
          for (const tab of orders[index]!.slice(gap)) await browser.step(tab, 3);
        });
        clients.push(...browsers.map(({ client }) => client));
      }
      await expectToLiveOn(clients);
    },
  );
});

const REFRESH = '/session/refresh';
const POST = { method: 'POST' };

/** Runs independent sessions side by side, a few at a time. */
async function inBatches<T, R>(items: readonly T[], run: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += 20) {
    const batch = items.slice(start, start + 20);
    results.push(...(await Promise.all(batch.map((item, offset) => run(item, start + offset)))));
  }
  return results;
}
