import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from 'playwright-core';
import { selfSigned } from './certificate.js';

/** The outcome of a form that a page sent. */
export interface Sent {
  readonly status: number;
  readonly text: string;
  /** Whether the browser sent cookies with it. */
  readonly withCookies: boolean;
}

/** Serves one harmless page under every name of this machine. */
export class ForeignServer {
  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {}

  static async start(scheme: 'http' | 'https'): Promise<ForeignServer> {
    const answer: RequestListener = (_request, response) => {
      response.setHeader('content-type', 'text/html').end('<link rel="icon" href="data:,"><h1>You have won</h1>');
    };
    const server = scheme === 'https' ? createTlsServer(selfSigned(), answer) : createServer(answer);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ForeignServer(server, scheme);
  }

  /** Its origin under that name. */
  at(host: string): string {
    return `${this.scheme}://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

/** A page of another origin, in the same browser as everything else. */
export class ForeignPage {
  private constructor(private readonly page: Page) {}

  static async open(context: BrowserContext, origin: string): Promise<ForeignPage> {
    const page = await context.newPage();
    await page.goto(`${origin}/`);
    return new ForeignPage(page);
  }

  /** Sends a form, as a click on anything can, which leads the tab to the answer. */
  async submit(url: string, fields: Record<string, string> = {}): Promise<Sent> {
    const from = this.page.url();
    const [answer] = await Promise.all([
      this.page.waitForResponse(url),
      this.page.evaluate(`{
        const form = Object.assign(document.createElement('form'), { method: 'post', action: ${JSON.stringify(url)} });
        for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
          form.append(Object.assign(document.createElement('input'), { name, value }));
        }
        document.body.append(form);
        form.submit();
      }`),
    ]);
    const status = answer.status();
    const withCookies = 'cookie' in (await answer.request().allHeaders());
    // The tab stays where it is.
    if (status === 204) return { status, text: '', withCookies };
    await this.page.waitForURL(url);
    const text = await this.page.locator('body').innerText();
    await this.page.goto(from);
    return { status, text, withCookies };
  }

  /** Sends a request by script with the cookies that the browser adds. The answer's text, or the browser's refusal. */
  async fetch(url: string, init: Record<string, unknown> = {}): Promise<string> {
    const options = JSON.stringify({ credentials: 'include', ...init });
    return this.page.evaluate(
      `fetch(${JSON.stringify(url)}, ${options}).then(async answer => answer.type + ' ' + (await answer.text()), String)`,
    );
  }

  /** Sends the same as a form by script, which needs no permission but cannot read the answer; the server's status. */
  async fetchBlindly(url: string, fields: Record<string, string> = {}): Promise<number> {
    const init = {
      method: 'POST',
      mode: 'no-cors',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams(fields)),
    };
    const [answer] = await Promise.all([this.page.waitForResponse(url), this.fetch(url, init)]);
    return answer.status();
  }
}
