import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieClient, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { until } from '../support/until.js';
import { OTHER_PASSWORD, PASSWORD } from './account-app.js';

interface Caught {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

describe('F24: the sample of accounts', () => {
  let database: TestDatabase;
  let sample: SampleProcess;
  beforeAll(async () => {
    database = await TestDatabase.create();
    sample = await SampleProcess.run('sample/accounts/dist/accounts/main.js', { DATABASE_URL: database.url });
  });
  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
  });

  const post = (path: string, body: unknown) => send(`${sample.url}/api/account/${path}`, { method: 'POST', body });

  async function linkOf(subject: string): Promise<URL> {
    let found: Caught | undefined;
    await until(async () => {
      const { body } = await send(`${sample.url}/api/mails`);
      found = (body as unknown as Caught[]).find(mail => mail.subject.startsWith(subject));
      return found !== undefined;
    });
    return new URL(/https?:\/\/\S+/.exec(found!.text)![0]);
  }

  const tokenOf = (link: URL) => link.hash.replace('#token=', '');

  it('registers, verifies, logs in, forgets and resets by the links that /mails shows', async () => {
    expect((await post('register', { email: 'ada@example.com', password: PASSWORD })).status).toBe(202);
    const link = await linkOf('Verify');
    // The link leads to a page of this very application.
    expect((await fetch(`${sample.url}${link.pathname}`)).status).toBe(200);
    expect((await post('verify-email', { token: tokenOf(link), password: PASSWORD })).status).toBe(200);

    const client = new CookieClient(sample.url);
    const body = { email: 'ada@example.com', password: PASSWORD };
    expect((await client.send('/api/account/login', { method: 'POST', body })).status).toBe(200);
    expect((await client.send('/api/account')).body.email).toBe('ada@example.com');
    await post('forgot-password', { email: 'ada@example.com' });
    const token = tokenOf(await linkOf('Choose a new password'));
    expect((await post('reset-password', { token, password: OTHER_PASSWORD })).status).toBe(204);
    expect((await client.send('/api/account')).status).toBe(401);
  });

  const pages = readdirSync('sample/accounts/pages').filter(file => file.endsWith('.html'));

  it.each(pages)('the page %s runs no script but its files, and tells nobody where a link was', async file => {
    const response = await fetch(`${sample.url}/${file.replace(/\.html$/, '').replace(/^index$/, '')}`);
    expect(response.status).toBe(200);
    const policy = response.headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'; script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const html = await response.text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:/);
    const [, src] = /<script type="module" src="([^"]+)"/.exec(html)!;
    expect((await fetch(`${sample.url}${src}`)).headers.get('content-type')).toContain('javascript');
  });
});
