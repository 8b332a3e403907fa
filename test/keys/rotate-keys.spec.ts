import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AccessTokenInvalidError } from 'nestjs-jwt-session';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { BearerClient } from '../support/bearer-client.js';
import { partsOf } from '../support/forged-token.js';
import { fetchJwks } from '../support/jwks.js';
import { toMidPeriod } from '../support/mid-period.js';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const logIn = async ({ url }: TestApp) => {
  const client = new BearerClient(url);
  await client.logIn('ada');
  return client;
};
const kidOf = (token: string) => partsOf(token).header.kid as string;
const shown = async ({ url }: TestApp) => (await fetchJwks(url)).keys.map(({ kid }) => kid);
const tick = ({ app }: TestApp) => app.get(KeyRotation).tick();

describe.each(PLATFORMS)('rotateKeys on %s', platform => {
  let apps: TestApps;
  let test: TestApp;
  let other: TestApp;
  beforeEach(async () => {
    apps = await TestApps.on(platform);
    await toMidPeriod(apps.clock);
    test = await apps.start();
    other = await apps.start();
  });
  afterEach(() => apps?.close());

  it('J07: makes a key out of turn that is shown first, signs later, and that nobody notices', async () => {
    const client = await logIn(test);
    const former = kidOf(client.accessToken);
    await test.sessions.rotateKeys();
    const announced = (await shown(test)).filter(kid => kid !== former);
    expect(announced).toHaveLength(1);
    expect(kidOf((await logIn(test)).accessToken)).toBe(former);

    await test.advance('59m');
    expect(kidOf((await logIn(test)).accessToken)).toBe(former);
    expect((await client.refresh()).status).toBe(200);
    await test.advance('1m');
    expect(kidOf((await logIn(test)).accessToken)).toBe(announced[0]);
    expect((await client.send('/me')).status).toBe(200);
    expect(await shown(test)).toEqual(expect.arrayContaining([former, announced[0]]));
    await tick(other);
    expect(await shown(other)).toEqual(await shown(test));
  });

  it('with distrust: refuses tokens at once in this process, elsewhere after its next look; nobody logs in again', async () => {
    const client = await logIn(test);
    const stolen = kidOf(client.accessToken);
    const elsewhere = Object.assign(new BearerClient(other.url), { accessToken: client.accessToken });
    expect((await client.send('/me')).status).toBe(200);
    expect((await elsewhere.send('/me')).status).toBe(200);

    await test.sessions.rotateKeys({ distrust: true });
    expect((await client.send('/me')).body.errorCode).toBe('access_token_invalid');
    expect(await shown(test)).not.toContain(stolen);

    expect((await client.refresh()).status).toBe(200);
    expect(kidOf(client.accessToken)).not.toBe(stolen);
    expect((await client.send('/me')).status).toBe(200);
    // The other process reads the new key as soon as it sees a token of it.
    await expect(other.sessions.verify(client.accessToken)).resolves.toMatchObject({ userId: 'ada' });

    await tick(other);
    expect((await elsewhere.send('/me')).body.errorCode).toBe('access_token_invalid');
    expect(await shown(other)).toEqual(await shown(test));
    expect(kidOf((await logIn(other)).accessToken)).toBe(kidOf(client.accessToken));
  });

  it('with distrust: covers the key that is announced but does not sign yet', async () => {
    await test.sessions.rotateKeys();
    const before = await shown(test);
    expect(before).toHaveLength(2);
    await test.sessions.rotateKeys({ distrust: true });
    const after = await shown(test);
    expect(after).toHaveLength(1);
    expect(before).not.toContain(after[0]);
  });

  it('with distrust: covers a key that another process has made and this one has not read yet', async () => {
    const before = await shown(test);
    await other.sessions.rotateKeys();
    const announced = (await shown(other)).filter(kid => !before.includes(kid));
    expect(announced).toHaveLength(1);
    await test.sessions.rotateKeys({ distrust: true });
    await Promise.all([test, other].map(tick));
    for (const process of [test, other]) expect(await shown(process)).not.toContain(announced[0]);
  });

  it('with distrust: of as many keys as hourly rotations of a week make, tells all processes', async () => {
    const { accessToken } = await logIn(test);
    await test.database.query(
      `INSERT INTO jwt_session_key SELECT (jsonb_populate_record(key, jsonb_build_object(
         'kid', kid || '-' || number, 'period', period + number))).*
       FROM jwt_session_key AS key, generate_series(1, 200) AS number WHERE kid = $1`,
      [kidOf(accessToken)],
    );
    await test.sessions.rotateKeys({ distrust: true });
    await expect(test.sessions.verify(accessToken)).rejects.toThrow(AccessTokenInvalidError);
    await tick(other);
    await expect(other.sessions.verify(accessToken)).rejects.toThrow(AccessTokenInvalidError);
    expect(await shown(other)).toEqual(await shown(test));
    expect(kidOf((await logIn(other)).accessToken)).toBe(kidOf((await logIn(test)).accessToken));
  });

  it('with distrust: erases the private keys, so that undoing it in the database does not bring a key back', async () => {
    const client = await logIn(test);
    await test.sessions.rotateKeys({ distrust: true });
    const rows = await test.database.query<{ encrypted_private_key: Buffer }>(
      'UPDATE jwt_session_key SET distrusted_at = NULL WHERE distrusted_at IS NOT NULL RETURNING encrypted_private_key',
    );
    expect(rows.map(row => row.encrypted_private_key.length)).toEqual([0]);
    const restarted = await apps.start();
    await expect(restarted.sessions.verify(client.accessToken)).rejects.toThrow(AccessTokenInvalidError);
    expect(await shown(restarted)).not.toContain(kidOf(client.accessToken));
    const { accessToken } = await restarted.sessions.logIn('ada', { transport: 'bearer' });
    expect(kidOf(accessToken!)).not.toBe(kidOf(client.accessToken));
  });

  it('makes another key where the key of the due period does not count here', async () => {
    const { accessToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    await test.database.query(
      `INSERT INTO jwt_session_key SELECT 'planted', purpose, algorithm, extract(epoch FROM sign_until) * 1000, public_jwk, '',
         sign_until, sign_until, sign_until + interval '7d', sign_until + interval '8d'
       FROM jwt_session_key WHERE kid = $1`,
      [kidOf(accessToken!)],
    );
    await test.advance('7d');
    await test.advance('12m');
    const client = await logIn(test);
    expect(await shown(test)).toEqual([kidOf(client.accessToken)]);
    await tick(other);
    expect(await shown(other)).toEqual(await shown(test));
  });

  it('with distrust: periods go on after it', async () => {
    const client = await logIn(test);
    await test.sessions.rotateKeys({ distrust: true });
    await client.refresh();
    const replacement = kidOf(client.accessToken);
    await test.advance('7d');
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/me')).status).toBe(200);
    expect(kidOf(client.accessToken)).not.toBe(replacement);
  });

  it('with distrust: in two processes at once, both go on with keys that both accept', async () => {
    const client = await logIn(test);
    await Promise.all([test, other].map(({ sessions }) => sessions.rotateKeys({ distrust: true })));
    await Promise.all([test, other].map(tick));
    await expect(test.sessions.verify(client.accessToken)).rejects.toThrow(AccessTokenInvalidError);
    for (const { sessions } of [test, other]) {
      const { accessToken } = await sessions.logIn('ada', { transport: 'bearer' });
      await expect(test.sessions.verify(accessToken!)).resolves.toBeDefined();
      await expect(other.sessions.verify(accessToken!)).resolves.toBeDefined();
    }
  });
});
