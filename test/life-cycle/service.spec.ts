import { instanceToPlain } from 'class-transformer';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type SessionData, SessionUsageError, UserSession } from 'nestjs-jwt-session';
import { DataSource } from 'typeorm';
import { startTestApp, type TestApp } from '../support/test-app.js';

const UNKNOWN = '01890000-0000-7000-8000-000000000000';
const revoked = { errorCode: 'session_revoked' };

describe('SessionService', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  async function logIn(userId = 'ada') {
    const { session, accessToken, refreshToken, ...rest } = await test.sessions.logIn(userId, { label: 'laptop' });
    return { session, accessToken: accessToken!, refreshToken: refreshToken!, ...rest };
  }

  const verdict = (accessToken: string) =>
    test.sessions.verify(accessToken).then(
      () => 'accepted',
      (error: { errorCode: string }) => error.errorCode,
    );

  it('logIn without an exchange answers with bearer tokens', async () => {
    const tokens = await test.sessions.logIn('ada', { claims: { role: 'user' } });
    expect(tokens).toEqual({
      session: expect.any(UserSession),
      expiresIn: 600,
      tokenType: 'Bearer',
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
    });
    expect(tokens.session).toMatchObject({ userId: 'ada', claims: { role: 'user' } });
  });

  it('verify tells the session, frozen; refuses what is none', async () => {
    const { session, accessToken, refreshToken } = await logIn();
    const verified = await test.sessions.verify(accessToken);
    expect(verified).toBeInstanceOf(UserSession);
    expect(verified).toEqual(session);
    expect(Object.isFrozen(verified) && Object.isFrozen(verified.claims)).toBe(true);
    for (const other of ['', 'a.b.c', refreshToken]) {
      expect(await verdict(other)).toBe('access_token_invalid');
    }
  });

  it('a session that a handler returns is serialized with its dates, by JSON and by ClassSerializerInterceptor', async () => {
    const { session } = await logIn();
    const { id, userId, claims, authenticatedAt, expiresAt } = session;
    expect(JSON.parse(JSON.stringify(session))).toMatchObject({ id, expiresAt: expiresAt.toISOString() });
    expect(instanceToPlain(session)).toEqual({ id, userId, claims, authenticatedAt, expiresAt });
  });

  it('R01, R02, R03: refresh takes a refresh token by itself', async () => {
    const { session, refreshToken } = await logIn();
    const refreshed = await test.sessions.refresh({ refreshToken, ip: '203.0.113.9', userAgent: 'app/2' });
    expect(refreshed.refreshToken).not.toBe(refreshToken);
    expect(refreshed.session.id).toBe(session.id);
    const [device] = (await test.sessions.list('ada')).filter(({ id }) => id === session.id);
    expect(device).toMatchObject({ label: 'laptop', ip: '203.0.113.9', userAgent: 'app/2' });

    expect((await test.sessions.refresh({ refreshToken })).refreshToken).toBe(refreshed.refreshToken);
    await test.sessions.refresh({ refreshToken: refreshed.refreshToken! });
    await test.advance('31s');
    await expect(test.sessions.refresh({ refreshToken })).rejects.toMatchObject({
      errorCode: 'token_theft_detected',
      theftClass: 'recent',
    });
    for (const wrong of ['', 'x', undefined, 7] as string[]) {
      await expect(test.sessions.refresh({ refreshToken: wrong })).rejects.toMatchObject({
        errorCode: 'refresh_token_invalid',
      });
    }
  });

  it('S08, S11: logOut ends one session, once', async () => {
    const [one, two] = [await logIn(), await logIn()];
    expect(await test.sessions.logOut(one.session.id)).toBe(true);
    expect(await test.sessions.logOut(one.session.id)).toBe(false);
    for (const id of [UNKNOWN, 'ada', '']) expect(await test.sessions.logOut(id)).toBe(false);
    expect(await verdict(one.accessToken)).toBe('session_revoked');
    expect(await verdict(two.accessToken)).toBe('accepted');
    // Only if it is that user's.
    expect(await test.sessions.logOut(two.session.id, { userId: 'grace' })).toBe(false);
    expect(await test.sessions.logOut(two.session.id, { userId: 'ada' })).toBe(true);
  });

  it('S11, scenario 16: logOutOthers and logOutAll end the right ones, and count them', async () => {
    await test.sessions.logOutAll('ada');
    const [one, two, three, grace] = [await logIn(), await logIn(), await logIn(), await logIn('grace')];
    expect(await test.sessions.logOutOthers(two.session)).toBe(2);
    expect(await verdict(one.accessToken)).toBe('session_revoked');
    expect(await verdict(two.accessToken)).toBe('accepted');
    expect(await verdict(three.accessToken)).toBe('session_revoked');
    expect(await test.sessions.logOutAll('ada')).toBe(1);
    expect(await test.sessions.logOutAll('ada')).toBe(0);
    expect(await verdict(two.accessToken)).toBe('session_revoked');
    expect(await verdict(grace.accessToken)).toBe('accepted');
  });

  it('scenario 9: what a transaction ends is ended when it commits, and not when it rolls back', async () => {
    const [one, two] = [await logIn(), await logIn()];
    const dataSource = test.app.get(DataSource);
    await expect(
      dataSource.transaction(async manager => {
        await test.sessions.logOutOthers(one.session, { manager });
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await verdict(two.accessToken)).toBe('accepted');
    await dataSource.transaction(async manager => {
      await test.sessions.logOutOthers(one.session, { manager });
      // Not yet true, so that nobody is told.
      expect(await verdict(two.accessToken)).toBe('accepted');
    });
    expect(await verdict(two.accessToken)).toBe('session_revoked');
    expect(await verdict(one.accessToken)).toBe('accepted');
  });

  it('S12: list and get tell of live sessions only', async () => {
    await test.sessions.logOutAll('ada');
    const [one, two] = [await logIn(), await logIn()];
    expect((await test.sessions.list('ada')).map(({ id }) => id).sort()).toEqual(
      [one.session.id, two.session.id].sort(),
    );
    expect(await test.sessions.get(one.session.id)).toMatchObject({ id: one.session.id, userId: 'ada' });
    for (const id of [UNKNOWN, 'ada', '']) expect(await test.sessions.get(id)).toBeNull();
    await test.sessions.logOut(one.session.id);
    expect(await test.sessions.get(one.session.id)).toBeNull();
    expect(await test.sessions.list('ada')).toHaveLength(1);
    await test.advance('31d');
    expect(await test.sessions.get(two.session.id)).toBeNull();
    expect(await test.sessions.list('ada')).toEqual([]);
  });

  it.each([
    ['number', 7],
    ['string', 'text'],
    ['boolean', false],
    ['null', null],
    ['array', [1, [2], { a: null }]],
    ['object', { cart: { items: [] } }],
  ])('scenario 8: session data is replaced and read: %s', async (_, data) => {
    const { session } = await test.sessions.logIn('ada', { data: { before: true } });
    expect(await test.sessions.getData(session.id)).toEqual({ before: true });
    await test.sessions.setData(session.id, data as unknown as SessionData);
    expect(await test.sessions.getData(session.id)).toEqual(data);
  });

  it('scenario 8: data survives a refresh and stays on the server; none was kept: null', async () => {
    const { session, refreshToken } = await logIn();
    expect(await test.sessions.getData(session.id)).toBeNull();
    await test.sessions.setData(session.id, { secret: 'plan' });
    const { accessToken } = await test.sessions.refresh({ refreshToken });
    expect(await test.sessions.getData(session.id)).toEqual({ secret: 'plan' });
    expect(Buffer.from(accessToken!.split('.')[1]!, 'base64url').toString()).not.toContain('plan');
  });

  it('scenario 8: a missing, ended or malformed session gives an error; data that are not JSON change nothing', async () => {
    const { session } = await test.sessions.logIn('ada', { data: { kept: true } });
    for (const wrong of [undefined, () => 1, { at: new Date(0) }, 'a\0']) {
      await expect(test.sessions.setData(session.id, wrong as unknown as SessionData)).rejects.toThrow(
        SessionUsageError,
      );
    }
    expect(await test.sessions.getData(session.id)).toEqual({ kept: true });
    await test.sessions.logOut(session.id);
    for (const id of [session.id, UNKNOWN, 'ada', '']) {
      await expect(test.sessions.getData(id)).rejects.toMatchObject(revoked);
      await expect(test.sessions.setData(id, {})).rejects.toMatchObject(revoked);
    }
  });

  it('scenario 8: data written in a transaction that rolls back is not kept', async () => {
    const { session } = await test.sessions.logIn('ada', { data: { step: 1 } });
    const dataSource = test.app.get(DataSource);
    await expect(
      dataSource.transaction(async manager => {
        await test.sessions.setData(session.id, { step: 2 }, { manager });
        expect(await test.sessions.getData(session.id, { manager })).toEqual({ step: 2 });
        throw new Error('rolled back');
      }),
    ).rejects.toThrow('rolled back');
    expect(await test.sessions.getData(session.id)).toEqual({ step: 1 });
  });

  it('status is up, and names the key that signs', async () => {
    const { accessToken } = await logIn();
    const { kid } = JSON.parse(Buffer.from(accessToken.split('.')[0]!, 'base64url').toString()) as { kid: string };
    expect(await test.sessions.status()).toMatchObject({
      status: 'up',
      database: { status: 'up' },
      keys: { status: 'up', signing: kid },
    });
  });
});
