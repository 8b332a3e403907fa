import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ClaimsRequest, SessionClaims } from 'nestjs-jwt-session';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A claims hook that stops after it has read what it answers with, until a test lets it go on. */
class Gate {
  /** What the application knows of the user at this moment. */
  read: (request: ClaimsRequest) => SessionClaims | null = ({ claims }) => claims;
  asked = 0;
  private closed?: { reached: () => void; opened: Promise<void> };

  readonly hook = async (request: ClaimsRequest): Promise<SessionClaims | null> => {
    this.asked++;
    const answer = this.read(request);
    const { closed } = this;
    this.closed = undefined;
    closed?.reached();
    await closed?.opened;
    return answer;
  };

  /** Stops the next request that asks. Returns when it has been reached, and how to let it go on. */
  close(): { reached: Promise<void>; open: () => void } {
    let open = () => {};
    const opened = new Promise<void>(resolve => (open = resolve));
    const reached = new Promise<void>(resolve => (this.closed = { reached: resolve, opened }));
    return { reached, open };
  }
}

/** What happens between the hook's answer and the tokens that carry it. */
describe('F23: the claims hook and what happens while it is asked', () => {
  const gate = new Gate();
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ session: { claims: gate.hook } });
  });
  afterEach(() => {
    gate.read = ({ claims }) => claims;
    test.events.length = 0;
  });
  afterAll(() => test?.close());

  const verify = (accessToken: string) =>
    test.sessions.verify(accessToken).then(
      () => 'accepted',
      (error: { errorCode: string }) => error.errorCode,
    );

  /** Runs `meanwhile` while the hook holds its answer. */
  async function during<T>(request: () => Promise<T>, meanwhile: () => Promise<unknown>): Promise<T> {
    const { reached, open } = gate.close();
    const running = request();
    running.catch(() => undefined);
    await reached;
    await meanwhile();
    open();
    return running;
  }

  it('a login with a role that is taken at that moment issues an access token that is refused', async () => {
    let role = 'admin';
    gate.read = () => ({ role });
    const { accessToken, refreshToken } = await during(
      () => test.sessions.logIn('ada'),
      async () => {
        role = 'user';
        await test.sessions.invalidateTokens('ada', 'access');
      },
    );
    expect(await verify(accessToken!)).toBe('access_token_invalid');
    const { session } = await test.sessions.refresh({ refreshToken: refreshToken! });
    expect(session.claims).toEqual({ role: 'user' });
  });

  it.each([
    ['new claims', (request: ClaimsRequest) => ({ ...request.claims, role: 'admin' })],
    ['the claims that were given', ({ claims }: ClaimsRequest) => claims],
  ])(
    'a login is not let in where its user is logged out everywhere at that moment; the hook gives %s',
    async (_, read) => {
      gate.read = read;
      const outcome = await during(
        () => test.sessions.logIn('grace', { claims: { role: 'user' } }),
        () => test.sessions.logOutAll('grace'),
      ).catch((error: { errorCode: string }) => error.errorCode);
      if (typeof outcome === 'object') {
        expect(await verify(outcome.accessToken!)).toBe('session_revoked');
        const refresh = test.sessions.refresh({ refreshToken: outcome.refreshToken! });
        await expect(refresh).rejects.toMatchObject({ errorCode: 'session_revoked' });
      } else {
        expect(outcome).toBe('session_revoked');
      }
      expect(await test.sessions.list('grace')).toEqual([]);
    },
  );

  it('setClaims beside a refresh is not lost: the hook is asked again, with the new claims', async () => {
    let turn = 0;
    gate.read = ({ claims }) => ({ ...claims, turn });
    const { session, refreshToken } = await test.sessions.logIn('ada', { claims: { theme: 'dark' } });
    await test.advance('1m');
    turn = 1;
    const before = gate.asked;
    const tokens = await during(
      () => test.sessions.refresh({ refreshToken: refreshToken! }),
      () => test.sessions.setClaims(session.id, { theme: 'light' }),
    );
    expect(gate.asked).toBe(before + 2);
    expect(tokens.session.claims).toEqual({ theme: 'light', turn: 1 });
    expect((await test.sessions.get(session.id))!.claims).toEqual({ theme: 'light', turn: 1 });
    // The token is of the version that setClaims has made.
    expect(await verify(tokens.accessToken!)).toBe('accepted');
  });

  it('a refresh beside claims that never stop changing is refused as temporary', async () => {
    const { session, refreshToken } = await test.sessions.logIn('ada', { claims: { step: 0 } });
    await test.advance('1m');
    let step = 0;
    gate.read = ({ claims }) => ({ ...claims, refreshed: true });
    const { read } = gate;
    const changing = async (request: ClaimsRequest) => {
      await test.sessions.setClaims(session.id, { step: ++step });
      return read(request);
    };
    gate.read = changing as unknown as typeof gate.read;
    const refresh = test.sessions.refresh({ refreshToken: refreshToken! });
    await expect(refresh).rejects.toMatchObject({ errorCode: 'session_store_unavailable' });
    expect((await test.sessions.get(session.id))!.claims).toEqual({ step });
  });

  it.each<[string, (request: ClaimsRequest) => SessionClaims, RegExp]>([
    [
      'fails',
      () => {
        throw new Error('the users are not there');
      },
      /the users are not there/,
    ],
    ['gives what cannot be kept', () => ({ sub: 'grace' }), /"claims\.sub" would shadow/],
    ['gives too much', () => ({ text: 'x'.repeat(9_000) }), /too long/],
  ])('a reauthentication whose hook %s changes nothing', async (_, read, error) => {
    const { session, accessToken, refreshToken } = await test.sessions.logIn('joan', { claims: { theme: 'dark' } });
    const rows = () => test.database.query("SELECT * FROM jwt_session WHERE user_id = 'joan' ORDER BY id");
    const before = await rows();
    gate.read = read;
    await expect(test.sessions.reauthenticate(session)).rejects.toThrow(error);
    gate.read = ({ claims }) => claims;
    expect(await rows()).toEqual(before);
    expect(await verify(accessToken!)).toBe('accepted');
    await expect(test.sessions.refresh({ refreshToken: refreshToken! })).resolves.toBeDefined();
    await test.sessions.logOutAll('joan');
  });

  it('a reauthentication asks again where the role is taken, or setClaims comes, at that moment', async () => {
    let role = 'admin';
    gate.read = ({ claims }) => ({ ...claims, role });
    const { session } = await test.sessions.logIn('lise', { claims: { theme: 'dark' } });
    const renewed = await during(
      () => test.sessions.reauthenticate(session),
      async () => {
        role = 'user';
        await test.sessions.invalidateTokens('lise', 'access');
      },
    );
    expect(renewed.session.claims).toEqual({ theme: 'dark', role: 'user' });
    expect(await verify(renewed.accessToken!)).toBe('accepted');

    const again = await during(
      () => test.sessions.reauthenticate(renewed.session),
      () => test.sessions.setClaims(renewed.session.id, { theme: 'light' }),
    );
    expect(again.session.claims).toEqual({ theme: 'light', role: 'user' });
    expect((await test.sessions.list('lise')).map(({ id }) => id)).toEqual([again.session.id]);
  });

  it('a reauthentication of a session that is logged out at that moment is refused', async () => {
    const { session } = await test.sessions.logIn('emmy');
    const renewal = during(
      () => test.sessions.reauthenticate(session),
      () => test.sessions.logOutAll('emmy'),
    );
    await expect(renewal).rejects.toMatchObject({ errorCode: 'session_revoked' });
    expect(await test.sessions.list('emmy')).toEqual([]);
  });

  it.each<[string, (request: ClaimsRequest) => SessionClaims | null, object, string[]]>([
    ['refuses the user', () => null, { errorCode: 'session_revoked' }, ['session.refused']],
    ['gives what cannot be kept', () => ({ sub: 'grace' }), { name: 'SessionUsageError' }, []],
    ['gives too much', () => ({ text: 'x'.repeat(9_000) }), { name: 'SessionUsageError' }, []],
  ])('a login whose hook %s leaves no session and no event of one', async (_, read, error, events) => {
    gate.read = read;
    await expect(test.sessions.logIn('lovelace')).rejects.toMatchObject(error);
    expect(await test.database.query("SELECT id FROM jwt_session WHERE user_id = 'lovelace'")).toEqual([]);
    expect(test.events.map(({ type }) => type)).toEqual(events);
  });
});
