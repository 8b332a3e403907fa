import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { BrowserContext } from 'playwright-core';
import { BrowserUser } from '../support/browser-user.js';
import { describeInWholeChromium, launchWithBoundSessions } from '../support/chromium.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { PLATFORMS } from '../support/test-app.js';
import { until } from '../support/until.js';

/** Names the certificate of the server to a browser that is to accept it. */
async function fingerprintOf(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const key = socket.getPeerX509Certificate()!.publicKey.export({ type: 'spki', format: 'der' });
  socket.destroy();
  return hash('sha256', key, 'base64');
}

describeInWholeChromium('the sample with KEY_BINDING', () => {
  describe.each(PLATFORMS)('%s', platform => {
    let database: TestDatabase;
    let sample: SampleProcess;
    let profile: string;
    let context: BrowserContext;
    beforeAll(async () => {
      database = await TestDatabase.create();
      sample = await SampleProcess.start(database, { HTTP_PLATFORM: platform, KEY_BINDING: 'prefer' });
      profile = mkdtempSync(join(tmpdir(), 'bound-sample-'));
      context = await launchWithBoundSessions(profile, await fingerprintOf(sample.url));
    }, 60_000);
    afterAll(async () => {
      await context?.close();
      await sample?.stop();
      await database?.drop();
      rmSync(profile, { recursive: true, force: true });
    });

    it('shows that a session is bound, its proofs, and what a copy of its cookies is good for', async () => {
      expect(sample.output).toMatch(/listens on https:.*\n\nBrowsers bind sessions over https alone\. The certificate/);
      const user = new BrowserUser(context, sample.url.replace('127.0.0.1', 'localhost'));
      const home = await user.signedIn('ada');
      const [{ id }] = await database.query<{ id: string }>('SELECT id FROM jwt_session');
      const page = await user.open('/inside');
      await page.getByText('Bound to a key of this browser').waitFor();
      await home.reload();
      await home.getByText('bound to its key').waitFor();

      await page.getByRole('button', { name: 'Prove it' }).click();
      await page.getByText('The browser proved its key, and has a new access cookie.').waitFor();
      const events = page.getByRole('list', { name: 'Events' });
      await events.getByText('session.refreshed · proved').waitFor();

      await page.getByRole('button', { name: 'Copy them' }).click();
      const story = page.getByRole('list', { name: 'What the copy is good for' });
      await story.getByText(/^The second client acts as you, until the access token ends at \d/).waitFor();
      await story.getByText('It cannot refresh').waitFor();
      await page.getByRole('button', { name: 'Steal it' }).click();
      await page.getByText('That did not work: There is no refresh token').waitFor();
      await until(async () => {
        const rows = await database.query('SELECT revoked_reason, key_kind FROM jwt_session WHERE id = $1', [id]);
        return JSON.stringify(rows) === JSON.stringify([{ revoked_reason: null, key_kind: 'dbsc' }]);
      });
      const token = await user.cookie('access_token');
      expect(sample.output).not.toContain(token!.value);
    });
  });
});
