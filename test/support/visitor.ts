import type { BrowserContext, Cookie, Page } from 'playwright-core';
import { CookieClient } from './client.js';

/** A 401 is how the client learns that it has to refresh; browsers write each one down. */
const ORDINARY = /^Failed to load resource: the server responded with a status of 401 /;

const PASSWORDS = { ada: 'lovelace', grace: 'hopper' };

/** Somebody with a browser of their own: any number of tabs, one jar. */
export class Visitor {
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

  /** What went wrong in the tabs since this was asked for last. */
  takeProblems(): string[] {
    return this.found.splice(0);
  }

  /** The cookies whose names end so, prefixes or not. */
  async cookie(name: 'access_token' | 'refresh_token'): Promise<Cookie | undefined> {
    return (await this.context.cookies()).find(cookie => cookie.name.endsWith(name));
  }

  /** What somebody has who got at the cookies. */
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
  // Not by a click, which waits for frames to be drawn: browsers draw few of them in tabs behind others.
  await field.press('Enter');
  await page.getByRole('list', { name: 'Notes' }).getByText(text, { exact: true }).waitFor();
}

/** What the page does when somebody turns to its tab again. */
export async function turnTo(page: Page): Promise<void> {
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
}
