import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, CookieClient, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { PLATFORMS } from '../support/test-app.js';

describe.each(PLATFORMS)('the sample on %s', platform => {
  const passwords = { ada: 'lovelace', grace: 'hopper' };
  let database: TestDatabase;
  let sample: SampleProcess;
  beforeAll(async () => {
    database = await TestDatabase.create();
    sample = await SampleProcess.start(database, { HTTP_PLATFORM: platform, SESSION_LEEWAY: '0s' });
  });
  afterAll(async () => {
    await sample?.stop();
    await database?.drop();
  });

  async function logIn(username: keyof typeof passwords, password: string = passwords[username]) {
    const client = new CookieClient(sample.url);
    const answer = await client.send('/login', { method: 'POST', body: { username, password } });
    return { client, answer, id: (answer.body.user as { id: string } | undefined)?.id };
  }

  it('prints its address, its users and three lines to try', () => {
    expect(sample.output).toContain(`http://localhost:${new URL(sample.url).port}`);
    expect(sample.output).toMatch(/ada \/ lovelace.*grace \/ hopper/);
    expect(sample.output.match(/curl /g)).toHaveLength(3);
  });

  it('README: login, /me, refresh, log-out, and an old refresh token is a theft', async () => {
    const { client, answer, id } = await logIn('ada');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ user: { id, username: 'ada', role: 'admin' }, expiresIn: 600 });
    const me = (await client.send('/me')).body;
    expect(me).toEqual({ userId: id, username: 'ada', role: 'admin', sessionId: expect.any(String) });

    const stolen = client.copy();
    expect((await client.send('/session/refresh', { method: 'POST' })).status).toBe(200);
    expect((await client.send('/session/refresh', { method: 'POST' })).status).toBe(200);
    const theft = await stolen.send('/session/refresh', { method: 'POST' });
    expect(theft.status).toBe(401);
    expect(theft.body).toMatchObject({ errorCode: 'token_theft_detected', class: 'recent' });
    expect((await client.send('/me')).body.errorCode).toBe('token_theft_detected');

    const again = await logIn('ada');
    expect((await again.client.send('/session/logout', { method: 'POST' })).status).toBe(204);
    expect(again.client.jar.size).toBe(0);
  });

  it('refuses wrong credentials alike, and a malformed login by name', async () => {
    const wrong = (await logIn('ada', 'wrong')).answer;
    const unknown = (await logIn('nobody' as 'ada', 'wrong')).answer;
    expect(wrong.status).toBe(401);
    expect(wrong.body.errorCode).toBe('invalid_credentials');
    expect(unknown.body).toEqual(wrong.body);
    const malformed = await send(`${sample.url}/login`, { method: 'POST', body: { username: 'ada', extra: 1 } });
    expect(malformed.status).toBe(400);
  });

  it('keeps notes apart', async () => {
    const [ada, grace] = [await logIn('ada'), await logIn('grace')];
    const note = await ada.client.send('/notes', { method: 'POST', body: { text: 'for ada' } });
    expect(note.status).toBe(201);
    expect((await ada.client.send('/notes')).body).toMatchObject([{ text: 'for ada' }]);
    expect((await grace.client.send('/notes')).body).toEqual([]);
    expect((await send(`${sample.url}/notes`)).body.errorCode).toBe('session_missing');
  });

  it('S10, scenario 22: changing the password ends the other sessions', async () => {
    const [here, there] = [await logIn('grace'), await logIn('grace')];
    const change = (current: string, next: string) =>
      here.client.send('/account/password', { method: 'POST', body: { current, next } });
    expect((await change('wrong', 'at least eight')).status).toBe(401);
    expect((await there.client.send('/me')).status).toBe(200);
    expect((await change('hopper', 'at least eight')).status).toBe(204);
    expect((await there.client.send('/me')).body.errorCode).toBe('session_revoked');
    expect((await here.client.send('/me')).status).toBe(200);
    expect((await logIn('grace')).answer.status).toBe(401);
    passwords.grace = 'at least eight';
  });

  it("S11: an administrator ends a user's sessions at once, others cannot", async () => {
    const [ada, grace] = [await logIn('ada'), await logIn('grace')];
    const revoke = (by: typeof ada, id: string): Promise<Answer> =>
      by.client.send(`/admin/users/${id}/revoke`, { method: 'POST' });
    expect((await revoke(grace, ada.id!)).status).toBe(403);
    expect((await revoke(ada, grace.id!)).status).toBe(204);
    expect((await grace.client.send('/me')).body.errorCode).toBe('session_revoked');
    expect((await ada.client.send('/me')).status).toBe(200);
  });

  describe('an administrator who acts as a user', () => {
    const reason = 'ticket 7';
    const act = (by: CookieClient, id: string, body: object = { reason }) =>
      by.send(`/admin/users/${id}/impersonate`, { method: 'POST', body });
    const end = (by: CookieClient) => by.send('/impersonation/end', { method: 'POST' });

    it('F35: sees what the user sees, is named, and comes back', async () => {
      const [ada, grace] = [await logIn('ada'), await logIn('grace')];
      await grace.client.send('/notes', { method: 'POST', body: { text: 'for grace' } });
      const { sessionId } = (await ada.client.send('/me')).body;
      expect((await act(ada.client, grace.id!)).status).toBe(200);
      const actor = { userId: ada.id, sessionId };
      expect((await ada.client.send('/me')).body).toMatchObject({ userId: grace.id, role: 'user', actor });
      expect((await ada.client.send('/notes')).body).toContainEqual(expect.objectContaining({ text: 'for grace' }));
      const rows = await database.query('SELECT actor_reason FROM jwt_session WHERE actor_session_id = $1', [
        sessionId,
      ]);
      expect(rows).toEqual([{ actor_reason: reason }]);

      expect((await end(ada.client)).status).toBe(200);
      expect((await ada.client.send('/me')).body).toEqual({
        userId: ada.id,
        username: 'ada',
        role: 'admin',
        sessionId,
      });
      expect((await end(ada.client)).status).toBe(400);
    });

    it('F35: can neither change the password, nor renew the login, nor act as a third one', async () => {
      const [ada, grace] = [await logIn('ada'), await logIn('grace')];
      await act(ada.client, grace.id!);
      const body = { current: passwords.grace, next: 'at least eight more' };
      const change = await ada.client.send('/account/password', { method: 'POST', body });
      expect([change.status, change.body.errorCode]).toEqual([403, 'not_while_impersonating']);
      const password = passwords.grace;
      const renewal = await ada.client.send('/account/reauthenticate', { method: 'POST', body: { password } });
      expect([renewal.status, renewal.body.errorCode]).toEqual([403, 'not_while_impersonating']);
      expect((await act(ada.client, grace.id!)).status).toBe(403);
    });

    it('F35: is an administrator, acts as no other one, and gives a reason', async () => {
      const [ada, grace] = [await logIn('ada'), await logIn('grace')];
      expect((await act(grace.client, ada.id!)).status).toBe(403);
      expect((await grace.client.send('/admin/users')).status).toBe(403);
      expect((await ada.client.send('/admin/users')).body).toMatchObject([{ username: 'ada' }, { username: 'grace' }]);
      expect((await act(ada.client, ada.id!)).status).toBe(403);
      expect((await act(ada.client, '00000000-0000-4000-8000-000000000000')).status).toBe(404);
      expect((await act(ada.client, 'nonsense')).status).toBe(400);
      expect((await act(ada.client, grace.id!, {})).status).toBe(400);
      expect((await ada.client.send('/me')).body).toMatchObject({ username: 'ada' });
    });
  });

  it('the password renews a login, whose cookies end with the browser as before', async () => {
    const client = new CookieClient(sample.url);
    const body = { username: 'ada', password: 'lovelace', remember: false };
    const login = await client.send('/login', { method: 'POST', body });
    const { sessionId } = (await client.send('/me')).body;
    const renew = (password: string) => client.send('/account/reauthenticate', { method: 'POST', body: { password } });
    expect((await renew('wrong')).status).toBe(401);
    const renewal = await renew('lovelace');
    expect(renewal.status).toBe(200);
    for (const answer of [login, renewal]) expect(answer.setCookie.join()).not.toMatch(/max-age|expires/i);
    expect((await client.send('/me')).body.sessionId).not.toBe(sessionId);
  });

  it('L01: prints no token and no password', async () => {
    const { client } = await logIn('ada');
    await client.send('/session/refresh', { method: 'POST' });
    await client.copy().send('/session/refresh', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } });
    for (const token of client.jar.values()) expect(sample.output).not.toContain(token);
    expect(sample.output).not.toMatch(/eyJ|password_hash|argon2/);
  });

  it('answers /health, keeps its data over a restart and stops by a signal', async () => {
    const { client } = await logIn('ada');
    expect((await send(`${sample.url}/health`)).status).toBe(200);
    expect(await sample.stop()).toBe(0);
    sample = await SampleProcess.start(database, { HTTP_PLATFORM: platform, SESSION_LEEWAY: '0s' });
    const moved = new CookieClient(sample.url);
    client.jar.forEach((value, name) => moved.jar.set(name, value));
    expect((await moved.send('/me')).status).toBe(200);
    expect((await moved.send('/session/refresh', { method: 'POST' })).status).toBe(200);
  });
});
