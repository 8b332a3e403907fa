import { HttpException } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BoundBrowser, KEY_ROUTE } from '../support/bound-browser.js';
import { describeInWholeChromium } from '../support/chromium.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { PLATFORMS, SECRET, startTestApp, type TestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

const NEW_SECRET = 'another-secret-that-is-long-enough-for-everybody';

describeInWholeChromium('sessions that browsers bind, when something fails', () => {
  describe.each(PLATFORMS)('%s', platform => {
    let test: TestApp;
    let changed: TestApp;
    let postgres: TestDatabase;
    let database: TcpProxy;
    let browser: BoundBrowser;
    let isBusy = false;

    beforeAll(async () => {
      const session = { binding: { key: 'prefer' } } as const;
      // In the place of a throttler.
      const throttler = {
        canActivate: () => {
          if (isBusy) throw new HttpException('Too many requests', 429);
          return true;
        },
      };
      postgres = await TestDatabase.create();
      const clock = await SharedClock.install(postgres);
      database = await TcpProxy.to(postgres.url);
      test = await startTestApp({
        platform,
        session,
        database: postgres,
        clock,
        typeorm: { url: database.url },
        configure: app => void app.useGlobalGuards(throttler),
      });
      const rotated = { ...session, secret: [NEW_SECRET, SECRET] };
      changed = await startTestApp({ platform, session: rotated, database: postgres, clock });
      browser = await BoundBrowser.inFrontOf(test);
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await changed?.close();
      await test?.close();
      await database?.close();
      await postgres?.drop();
    });

    it('D28 an outage of the database answers 503, and the browser keeps the session', async () => {
      const page = await browser.bound('outage.test');
      await browser.dropCookie('outage.test');
      await database.refuse();
      const { status, body } = await browser.call(page, '/me');
      expect([status, body.errorCode]).toEqual([503, 'session_store_unavailable']);
      expect(browser.statuses.at(-1)).toBe(503);
      await database.restore();
      await until(async () => (await browser.call(page, '/me')).body.userId === 'outage.test');
    });

    it('D29 a throttler in front answers 429 to pages, and never to the browser', async () => {
      const page = await browser.bound('busy.test');
      await browser.dropCookie('busy.test');
      isBusy = true;
      const before = browser.posts;
      const answers = await Promise.all(Array.from({ length: 8 }, () => browser.call(page, '/me')));
      isBusy = false;
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(429));
      expect(browser.statuses.slice(before)).toEqual([204]);
      expect((await browser.call(page, '/me')).body.userId).toBe('busy.test');
    });

    it.each([
      [429, 1],
      [403, 4],
    ])('D29 a proxy that answers %i to the browser ends the session, after %i posts', async (refusal, posts) => {
      const site = `refused-${refusal}.test`;
      const page = await browser.bound(site);
      await browser.dropCookie(site);
      const before = browser.posts;
      browser.proxy.refuse(KEY_ROUTE, refusal);
      expect((await browser.call(page, '/me')).body.errorCode).toBe('session_missing');
      browser.proxy.refuse(KEY_ROUTE);
      expect((await browser.call(page, '/me')).body.errorCode).toBe('session_missing');
      expect(browser.posts - before).toBe(posts);
    });

    it('D30 a lost answer to the registration leaves a session that works on', async () => {
      const page = await browser.open('lost.test');
      const lost = browser.proxy.loseAnswerTo(KEY_ROUTE);
      expect((await browser.call(page, '/login', 'POST', { userId: 'lost' })).status).toBe(200);
      await lost;
      expect((await browser.call(page, '/me')).body.userId).toBe('lost');
      await test.clock.advance('11m');
      expect((await browser.call(page, '/session/refresh', 'POST')).status).toBe(200);
      expect((await browser.call(page, '/me')).body.userId).toBe('lost');
    });

    it('D31 a change of the secret leaves the session bound', async () => {
      const page = await browser.bound('secret.test');
      browser.proxy.redirectTo(changed.url);
      for (let refresh = 0; refresh < 3; refresh++) {
        // Beyond the age of each challenge that the browser has.
        await changed.clock.advance('30m');
        await browser.dropCookie('secret.test');
        expect((await browser.call(page, '/me')).body.userId).toBe('secret.test');
      }
      browser.proxy.redirectTo(test.url);
    });

    it('D32 beyond six signatures in nine minutes requests are told to wait, and the session lives on', async () => {
      const page = await browser.bound('quota.test');
      const refresh = async () => {
        await browser.dropCookie('quota.test');
        return (await browser.call(page, '/me')).status;
      };
      // The same challenge again costs no signature.
      for (let request = 0; request < 8; request++) expect(await refresh()).toBe(200);
      const before = browser.posts;
      const statuses = [];
      for (let request = 0; request < 7; request++) {
        await test.clock.advance('6m');
        statuses.push(await refresh());
      }
      const proved = browser.statuses.slice(before);
      expect(proved.every(status => status === 204)).toBe(true);
      // One for the registration, and one for the challenge that came with its answer.
      expect(statuses).toEqual([...proved.map(() => 200), ...Array(7 - proved.length).fill(503)]);
      expect([4, 5]).toContain(proved.length);
      expect((await test.sessions.list('quota.test')).map(({ boundBy }) => boundBy)).toEqual(['dbsc']);
    });
  });
});
