import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, PASSWORD } from './account-app.js';

const CROSS_SITE = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };

describe.each(PLATFORMS)('refused logins of accounts on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ platform, session: { session: { maxPerUser: 1, onLimit: 'reject' } } });
    await app.member('ada@garden.example');
  });
  afterAll(() => app?.close());
  beforeEach(() => {
    app.test.events.length = 0;
  });

  const refusals = () => app.test.events.filter(({ type }) => type === 'session.refused');

  it('a request of another site is one event', async () => {
    const answer = await app.post('login', { email: 'ada@garden.example', password: PASSWORD }, CROSS_SITE);
    expect([answer.status, answer.body.errorCode]).toEqual([403, 'csrf_rejected']);
    expect(refusals()).toEqual([{ type: 'session.refused', code: 'csrf_rejected' }]);
  });

  it('one session too many is one event', async () => {
    await app.post('login', { email: 'ada@garden.example', password: PASSWORD });
    const answer = await app.post('login', { email: 'ada@garden.example', password: PASSWORD });
    expect([answer.status, answer.body.errorCode]).toEqual([403, 'session_limit_reached']);
    expect(refusals()).toEqual([{ type: 'session.refused', code: 'session_limit_reached' }]);
  });
});
