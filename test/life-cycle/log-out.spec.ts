import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerClient } from '../support/bearer-client.js';
import { ACCESS_COOKIE, CookieClient, REFRESH_COOKIE, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const POST = { method: 'POST' };
const refused = (errorCode: string) => ({ status: 401, body: { errorCode } });

const logOut = (client: CookieClient) => client.send('/session/logout', POST);

async function expectEnded(client: CookieClient): Promise<void> {
  expect(await client.sendOnly('/me')).toMatchObject(refused('session_revoked'));
  expect(await client.sendOnly('/session/refresh', POST)).toMatchObject(refused('session_revoked'));
}

async function expectAlive(client: CookieClient): Promise<void> {
  expect(await client.sendOnly('/me')).toMatchObject({ status: 200 });
  expect(await client.copy().refresh()).toMatchObject({ status: 200 });
}

const attributesOf = (cookies: readonly string[]) =>
  cookies.map(cookie => cookie.replace(/=[^;]*/, '=').replace(/; (Max-Age|Expires)=[^;]*/g, '')).sort();

const flip = (token: string) => token.slice(0, 60) + (token[60] === 'A' ? 'B' : 'A') + token.slice(61);

describe.each(PLATFORMS)('logging out on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  async function logIn(userId = 'ada'): Promise<CookieClient> {
    const client = new CookieClient(test.url);
    await client.logIn(userId);
    return client;
  }

  it('S08, scenario 9: log-out ends access and refresh tokens, the sibling session lives on', async () => {
    const [client, sibling] = [await logIn(), await logIn()];
    const copy = client.copy();
    expect(await logOut(client)).toMatchObject({ status: 204 });
    await expectEnded(copy);
    await expectAlive(sibling);
    expect(await test.sessions.list('ada')).toHaveLength(1);
  });

  it('S08: also the tokens of every generation, used or not', async () => {
    const client = await logIn();
    const copies = [client.copy()];
    await client.refresh();
    copies.push(client.copy());
    await test.advance('31s');
    await client.refresh();
    copies.push(client.copy());
    await logOut(client);
    for (const copy of copies) await expectEnded(copy);
  });

  it('scenario 14: log-out, theft and loss on the server clear the cookies as they were set', async () => {
    const ended = {
      'log-out': (client: CookieClient) => logOut(client),
      theft: async (client: CookieClient) => {
        const thief = client.copy();
        await client.refresh();
        await client.refresh();
        await test.advance('31s');
        return thief.refresh();
      },
      'a revoked session, refreshed': async (client: CookieClient) => {
        await test.sessions.logOutAll('grace');
        return client.refresh();
      },
      'a revoked session, used': async (client: CookieClient) => {
        await test.sessions.logOutAll('grace');
        return client.send('/me');
      },
      'a deleted row': async (client: CookieClient) => {
        await test.database.query("DELETE FROM jwt_session WHERE user_id = 'grace'");
        return client.refresh();
      },
    };
    for (const [how, end] of Object.entries(ended)) {
      const client = new CookieClient(test.url);
      const { setCookie } = await client.logIn('grace');
      const answer = await end(client);
      expect([how, attributesOf(answer.setCookie)]).toEqual([how, attributesOf(setCookie)]);
      expect(answer.setCookie.every(cookie => /=; Max-Age=0; Expires=Thu, 01 Jan 1970/.test(cookie))).toBe(true);
      client.keep(answer);
      expect(client.jar).toEqual(new Map());
    }
  });

  it('scenarios 15 and 21: unauthenticated, twice, and with the same tokens again: 204', async () => {
    expect(await send(`${test.url}/session/logout`, POST)).toMatchObject({ status: 204 });
    const client = await logIn();
    const copy = client.copy();
    for (let time = 0; time < 2; time++) expect(await logOut(copy.copy())).toMatchObject({ status: 204 });
    // The others say who must ask.
    for (const path of ['/session/logout-all', '/session/logout-others']) {
      expect(await send(`${test.url}${path}`, POST)).toMatchObject(refused('session_missing'));
      expect(await copy.sendOnly(path, POST)).toMatchObject(refused('session_revoked'));
    }
  });

  it('scenarios 15 and 21: an old token does not log out the session of a new login', async () => {
    const old = await logIn();
    const client = old.copy();
    await client.logIn('ada');
    expect(await logOut(old)).toMatchObject({ status: 204 });
    await expectAlive(client);
  });

  it('scenario 21: a tampered token ends nothing, an expired access token its session', async () => {
    const client = await logIn();
    const tampered = new CookieClient(test.url);
    tampered.jar.set(REFRESH_COOKIE, flip(client.refreshToken)).set(ACCESS_COOKIE, flip(client.accessToken));
    expect(await logOut(tampered)).toMatchObject({ status: 204 });
    expect(tampered.jar).toEqual(new Map());
    await expectAlive(client);

    await client.refresh();
    const accessOnly = client.copy();
    accessOnly.jar.delete(REFRESH_COOKIE);
    await test.advance('1h');
    expect(await logOut(accessOnly)).toMatchObject({ status: 204 });
    expect(await client.refresh()).toMatchObject(refused('session_revoked'));
  });

  it('scenario 21: the token of an expired session: 204', async () => {
    const client = await logIn();
    await test.advance('31d');
    expect(await logOut(client)).toMatchObject({ status: 204 });
    expect(client.jar).toEqual(new Map());
  });

  it("scenario 21: the cookie beats the body, so that another user's session lives on", async () => {
    const [ada, grace] = [await logIn('ada'), new BearerClient(test.url)];
    await grace.logIn('grace');
    const copy = ada.copy();
    const body = { refreshToken: grace.refreshToken };
    expect(await ada.send('/session/logout', { ...POST, body })).toMatchObject({ status: 204 });
    await expectEnded(copy);
    expect(await grace.send('/me')).toMatchObject({ status: 200 });
    expect(await grace.refresh()).toMatchObject({ status: 200 });
  });

  it('S08, scenario 21: a bearer client logs out with either token, and no cookie is touched', async () => {
    for (const by of ['access', 'refresh'] as const) {
      const client = new BearerClient(test.url);
      await client.logIn('ada');
      const answer =
        by === 'access'
          ? await client.send('/session/logout', POST)
          : await send(`${test.url}/session/logout`, { ...POST, body: { refreshToken: client.refreshToken } });
      expect(answer.status).toBe(204);
      if (by === 'access') expect(answer.setCookie).toEqual([]);
      expect(await client.send('/me')).toMatchObject(refused('session_revoked'));
      expect(await client.refresh()).toMatchObject(refused('session_revoked'));
    }
  });

  it('scenarios 16 and 19: logout-others keeps the caller and ends the rest, with their number', async () => {
    await test.sessions.logOutAll('ada');
    const [caller, one, two, grace] = [await logIn(), await logIn(), await logIn(), await logIn('grace')];
    const answer = await caller.send('/session/logout-others', POST);
    expect(answer).toMatchObject({ status: 200, setCookie: [], body: { ended: 2 } });
    await expectEnded(one);
    await expectEnded(two);
    await expectAlive(caller);
    await expectAlive(grace);
    expect(await caller.send('/session/logout-others', POST)).toMatchObject({ body: { ended: 0 } });
  });

  it('scenarios 9, 16 and 19: logout-all ends every one, and clears the caller’s cookies', async () => {
    await test.sessions.logOutAll('ada');
    const [caller, one, grace] = [await logIn(), await logIn(), await logIn('grace')];
    const copy = caller.copy();
    expect(await caller.send('/session/logout-all', POST)).toMatchObject({ status: 200, body: { ended: 2 } });
    expect(caller.jar).toEqual(new Map());
    await expectEnded(copy);
    await expectEnded(one);
    await expectAlive(grace);
    expect(await test.sessions.list('ada')).toEqual([]);
  });
});
