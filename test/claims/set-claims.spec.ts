import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource, EntityManager } from 'typeorm';
import { type SessionClaims, SessionUsageError } from 'nestjs-jwt-session';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { BearerClient } from '../support/bearer-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';
import { until } from '../support/until.js';

const ADMIN = { role: 'admin' };
const UNKNOWN = '01990000-0000-7000-8000-000000000000';

describe.each(PLATFORMS)('F14, S14: setClaims on %s', platform => {
  let apps: TestApps;
  let here: TestApp;
  let there: TestApp;
  let polling: TestApp;
  let client: BearerClient;
  let sibling: BearerClient;
  let id: string;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    here = await apps.start();
    there = await apps.start();
    polling = await apps.start({ session: { revocation: { feed: 'poll' } } });
  });
  afterAll(() => apps?.close());
  beforeEach(async () => {
    [client, sibling] = [await logIn(), await logIn()];
    id = (await client.send('/me')).body.sessionId!;
  });

  async function logIn(): Promise<BearerClient> {
    const one = new BearerClient(here.url);
    await one.logIn('ada', { role: 'user' });
    return one;
  }

  /** The same tokens in another process. */
  const at = (app: TestApp) =>
    Object.assign(new BearerClient(app.url), {
      accessToken: client.accessToken,
      refreshToken: client.refreshToken,
    });
  const inTransaction = <T>(run: (manager: EntityManager) => Promise<T>) =>
    here.app.get<DataSource>(getDataSourceToken()).transaction(run);
  const expired = { status: 401, body: { errorCode: 'access_token_expired' } };

  it('older access tokens of the session are refused as expired, refreshing gives the new claims', async () => {
    expect((await client.send('/me')).status).toBe(200);
    await here.sessions.setClaims(id, ADMIN);
    expect(await client.send('/me')).toMatchObject(expired);
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/me')).body.claims).toEqual(ADMIN);
    expect((await here.sessions.get(id))!.claims).toEqual(ADMIN);
  });

  it('other sessions of the user are untouched', async () => {
    await here.sessions.setClaims(id, ADMIN);
    expect((await sibling.send('/me')).body.claims).toEqual({ role: 'user' });
  });

  it('twice: a token of between is refused too', async () => {
    await here.sessions.setClaims(id, ADMIN);
    await client.refresh();
    await here.sessions.setClaims(id, { role: 'owner' });
    expect(await client.send('/me')).toMatchObject(expired);
    await client.refresh();
    expect((await client.send('/me')).body.claims).toEqual({ role: 'owner' });
  });

  it('another process refuses the older tokens after the notification, and takes the new ones', async () => {
    expect((await at(there).send('/me')).status).toBe(200);
    await here.sessions.setClaims(id, ADMIN);
    await until(async () => (await at(there).send('/me')).body.errorCode === 'access_token_expired');
    await client.refresh();
    expect((await at(there).send('/me')).body.claims).toEqual(ADMIN);
  });

  it('another process refuses the older tokens after a poll', async () => {
    expect((await at(polling).send('/me')).status).toBe(200);
    await here.sessions.setClaims(id, ADMIN);
    await polling.app.get(RevocationFeed).poll();
    expect(await at(polling).send('/me')).toMatchObject(expired);
  });

  it('with manager: in force when the transaction commits', async () => {
    await inTransaction(async manager => {
      await here.sessions.setClaims(id, ADMIN, { manager });
      expect((await client.send('/me')).status).toBe(200);
    });
    expect(await client.send('/me')).toMatchObject(expired);
  });

  it('with manager: nothing has happened when the transaction rolls back', async () => {
    const rolledBack = inTransaction(async manager => {
      await here.sessions.setClaims(id, ADMIN, { manager });
      throw new Error('changed my mind');
    });
    await expect(rolledBack).rejects.toThrow('changed my mind');
    expect((await client.send('/me')).status).toBe(200);
    await client.refresh();
    expect((await client.send('/me')).body.claims).toEqual({ role: 'user' });
  });

  it('with manager: a session that the same transaction has begun', async () => {
    const { accessToken } = await inTransaction(async manager => {
      const tokens = await here.sessions.logIn('ada', { manager });
      await here.sessions.setClaims(tokens.session.id, ADMIN, { manager });
      return tokens;
    });
    await expect(here.sessions.verify(accessToken!)).rejects.toMatchObject({ errorCode: 'access_token_expired' });
  });

  it.each<[string, SessionClaims]>([
    ['a registered name', { exp: 0 }],
    ['what is not JSON', { since: new Date() }],
    ['more than a cookie holds', { text: 'x'.repeat(4_000) }],
    ['no object', 'admin' as unknown as SessionClaims],
  ])('%s is refused, and nothing has changed', async (_, claims) => {
    await expect(here.sessions.setClaims(id, claims)).rejects.toThrow(SessionUsageError);
    expect((await client.send('/me')).body.claims).toEqual({ role: 'user' });
  });

  it('a session that is not there, or has ended, is an error', async () => {
    await here.sessions.logOut(id);
    for (const missing of [id, UNKNOWN, 'nonsense']) {
      await expect(here.sessions.setClaims(missing, ADMIN)).rejects.toMatchObject({ errorCode: 'session_revoked' });
    }
  });
});

describe('setClaims and reauthenticate on a pool of one connection', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ typeorm: { extra: { max: 1, connectionTimeoutMillis: 30_000 } } });
  });
  afterAll(() => test?.close());

  it("work within the caller's transaction", async () => {
    const { session } = await test.sessions.logIn('ada');
    const renewed = await test.app.get<DataSource>(getDataSourceToken()).transaction(async manager => {
      await test.sessions.setClaims(session.id, ADMIN, { manager });
      return test.sessions.reauthenticate(session, { manager });
    });
    expect(renewed.session.claims).toEqual(ADMIN);
    expect((await test.sessions.list('ada')).map(({ id }) => id)).toEqual([renewed.session.id]);
  });
});
