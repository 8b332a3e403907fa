import type { BrowserContext, Cookie, Page } from 'playwright-core';
import { CookieClient } from './client.js';

/** A 401 tells the client to refresh; browsers log each one. */
const ORDINARY = /^Failed to load resource: the server responded with a status of 401 /;

const PASSWORDS = { ada: 'lovelace', grace: 'hopper' };

/** A user with a browser profile: any number of tabs, one cookie jar. */
export class BrowserUser {
  private found: string[] = [];

  constructor(
    readonly context: BrowserContext,
    readonly url: string,
  ) {
    // A violation of the Content-Security-Policy is an error of the console, too.
    context.on('console', message => {
      const text = message.text();
      if (/^(error|warning)$/.test(message.type()) && !ORDINARY.test(text)) this.found.push(text);
    });
    context.on('weberror', error => this.found.push(String(error.error())));
  }

  /** Opens a tab. */
  async open(path = '/'): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(this.url + path);
    return page;
  }

  async signIn(page: Page, username: keyof typeof PASSWORDS = 'ada'): Promise<void> {
    await page.getByLabel('User name').fill(username);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORDS[username]);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await greeting(page).waitFor();
  }

  /** Opens a tab, and signs in. */
  async signedIn(username?: keyof typeof PASSWORDS): Promise<Page> {
    const page = await this.open();
    await this.signIn(page, username);
    return page;
  }

  /** The errors in the tabs since the last call. */
  takeProblems(): string[] {
    return this.found.splice(0);
  }

  /** The cookie of that name, with or without its prefix. */
  async cookie(name: 'access_token' | 'refresh_token'): Promise<Cookie | undefined> {
    return (await this.context.cookies()).find(cookie => cookie.name.endsWith(name));
  }

  /** A client with copies of the cookies. */
  async steal(): Promise<CookieClient> {
    const thief = new CookieClient(this.url);
    for (const { name, value } of await this.context.cookies()) thief.jar.set(name, value);
    return thief;
  }
}

export const greeting = (page: Page) => page.getByRole('heading', { name: 'Hello, ' });

export const signInForm = (page: Page) => page.getByRole('heading', { name: 'Sign in' });

/** Writes a note, and waits until the page says that it is kept. */
export async function writeNote(page: Page, text: string): Promise<void> {
  const field = page.getByLabel('New note');
  await field.fill(text);
  // A click waits for frames to be drawn, of which browsers draw few in background tabs.
  await field.press('Enter');
  await page.getByRole('list', { name: 'Notes' }).getByText(text, { exact: true }).waitFor();
}

/** Tells the page that its tab is visible again. */
export async function turnTo(page: Page): Promise<void> {
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
}
