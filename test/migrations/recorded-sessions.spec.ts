import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SESSION_MIGRATIONS } from 'nestjs-jwt-session';
import { CASE_LETTERS } from '../../lib/store/rotation-cases.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { NestjsJwtSession2000000000000 } from './next-version.js';
import { RECORDINGS } from './recordings.js';

const SCHEMAS = [
  ['this version', []],
  // As the older processes meet it during a rolling update.
  ['a later version', [NestjsJwtSession2000000000000]],
] as const;

const CASES = RECORDINGS.flatMap(recording =>
  SCHEMAS.map(schema => [recording.version, ...schema, recording] as const),
);

describe.each(CASES)('sessions of version %s on the schema of %s', (_, __, later, recording) => {
  let database: TestDatabase;
  let test: TestApp;
  beforeAll(async () => {
    database = await TestDatabase.create();
    await recording.load(database);
    test = await startTestApp({
      database,
      clock: await recording.clock(database),
      session: { secret: [recording.secret, 'database'] },
      typeorm: { migrations: [...SESSION_MIGRATIONS, ...later] },
    });
  });
  afterAll(async () => {
    await test?.close();
    await database?.drop();
  });

  const refresh = (name: string, generation: number) =>
    test.sessions.refresh({ refreshToken: recording.session(name).refreshTokens[generation]! });

  it.each<[string, number, keyof typeof CASE_LETTERS]>([
    ['new', 0, 'mint'],
    ['unseen', 0, 'retry-of-lost-response'],
    ['seen', 1, 'confirm-and-mint'],
    ['rotated', 3, 'confirm-and-mint'],
    ['confirmed-by-use', 1, 'mint'],
    ['generated-secret', 1, 'confirm-and-mint'],
    ['distrusted-key', 0, 'mint'],
    ['claims-changed', 0, 'mint'],
    ['access-invalidated', 0, 'mint'],
  ])('%s: refresh token %i lives on by %s', async (name, generation, expected) => {
    const { id, refreshTokens } = recording.session(name);
    const issued = await refresh(name, generation);
    expect(issued.session).toMatchObject({ id, userId: name });
    expect(issued.refreshToken).toEqual(expect.any(String));
    expect(refreshTokens).not.toContain(issued.refreshToken);
    const [row] = await database.query('SELECT last_case FROM jwt_session WHERE id = $1', [id]);
    expect(row).toEqual({ last_case: CASE_LETTERS[expected] });
    // What was issued now is good, too.
    expect(await test.sessions.verify(issued.accessToken!)).toMatchObject({ id });
    await expect(test.sessions.refresh({ refreshToken: issued.refreshToken! })).resolves.toMatchObject({
      session: { id },
    });
  });

  it.each<[string, number, keyof typeof CASE_LETTERS]>([
    ['in-window', 0, 'retry-in-window'],
    ['in-window-seen', 1, 'confirm'],
    ['late-parent', 0, 'late-parent'],
  ])('%s: refresh token %i is answered within its window, by %s', async (name, generation, expected) => {
    const { id, refreshTokens } = recording.session(name);
    const { refreshToken } = await refresh(name, generation);
    // The same one as that version answered: derived again, never stored.
    // It is left out where it is the given one.
    expect(refreshToken ?? refreshTokens[generation]).toBe(refreshTokens[1]);
    const [row] = await database.query('SELECT last_case FROM jwt_session WHERE id = $1', [id]);
    expect(row).toEqual({ last_case: CASE_LETTERS[expected] });
  });

  it.each([
    ['copied-stale', 0, 'stale'],
    ['copied-recent', 1, 'recent'],
    ['forked', 1, 'fork'],
  ])('%s: an old copy is theft, and ends the session', async (name, generation, theft) => {
    await expect(refresh(name, generation)).rejects.toMatchObject({
      errorCode: 'token_theft_detected',
      theftClass: theft,
    });
    await expect(refresh(name, recording.session(name).refreshTokens.length - 1)).rejects.toMatchObject({
      errorCode: 'token_theft_detected',
    });
  });

  it.each([
    ['logged-out', 0, 'session_revoked'],
    ['theft', 3, 'token_theft_detected'],
    ['expired', 0, 'session_expired'],
    ['refresh-invalidated', 0, 'session_revoked'],
  ])('%s: refresh token %i remains refused', async (name, generation, errorCode) => {
    await expect(refresh(name, generation)).rejects.toMatchObject({ errorCode });
  });

  const useOf = (name: string) =>
    send(`${test.url}/me`, { headers: { authorization: `Bearer ${recording.session(name).accessToken}` } });

  it.each([
    ['in-window', 200, undefined],
    ['refresh-invalidated', 200, undefined],
    ['logged-out', 401, 'session_revoked'],
    ['theft', 401, 'token_theft_detected'],
    ['claims-changed', 401, 'access_token_expired'],
    ['access-invalidated', 401, 'access_token_invalid'],
    ['distrusted-key', 401, 'access_token_invalid'],
    ['generated-secret', 401, 'access_token_invalid'],
  ])('%s: its access token is answered with %i', async (name, status, errorCode) => {
    const answer = await useOf(name);
    expect([answer.status, answer.body.errorCode]).toEqual([status, errorCode]);
  });

  it('keep what the application stored with them', async () => {
    const { id, refreshTokens } = recording.session('described');
    await test.sessions.refresh({ refreshToken: refreshTokens.at(-1)! });
    expect(await test.sessions.getData(id)).toEqual({ theme: 'dark' });
    expect(await test.sessions.list('described')).toMatchObject([
      { id, label: 'phone', ip: '192.0.2.7', userAgent: 'recorder' },
    ]);
    expect((await test.sessions.get(id))?.claims).toEqual({ role: 'user' });
    expect((await test.sessions.get(recording.session('claims-changed').id))?.claims).toEqual({ role: 'admin' });
  });

  it('continue with the keys of that version, which stay in the JWKS', async () => {
    const keys = await database.query<{ kid: string }>(
      `SELECT kid FROM jwt_session_key WHERE purpose = 'access-token/ES256' AND distrusted_at IS NULL ORDER BY kid`,
    );
    const { body } = await send(`${test.url}/.well-known/jwks.json`);
    expect((body.keys as { kid: string }[]).map(({ kid }) => kid).sort()).toEqual(keys.map(({ kid }) => kid));
    expect(keys).toHaveLength(2);
    const headerOf = (token: string) =>
      JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as unknown;
    const { accessToken } = await test.sessions.logIn('ada');
    expect(headerOf(accessToken!)).toEqual(headerOf(recording.session('in-window').accessToken));
  });
});
