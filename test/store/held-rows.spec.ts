import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { PATIENTLY } from '../support/patient-timers.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe("a row that the application's own transaction holds", () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp(PATIENTLY);
  });
  afterAll(() => test?.close());

  it('R04: holds up no confirmation and no refresh of other sessions, and is confirmed by the next use', async () => {
    const users = Array.from({ length: 30 }, (_, index) => `user ${index}`);
    const logins = await Promise.all(users.map(user => test.sessions.logIn(user)));
    const refreshed = await Promise.all(
      logins.map(({ refreshToken }) => test.sessions.refresh({ refreshToken: refreshToken! })),
    );
    const [held] = refreshed;
    const generations = async () => {
      const rows = await test.database.query<{ id: string; generation: number }>(
        'SELECT id, generation FROM jwt_session',
      );
      return new Map(rows.map(({ id, generation }) => [id, generation]));
    };

    await test.app.get(DataSource).transaction(async manager => {
      await test.sessions.setData(held!.session.id, { step: 1 }, { manager });
      await Promise.all(refreshed.map(({ accessToken }) => test.sessions.verify(accessToken!)));
      await test.confirmUses();
      const others = refreshed.slice(1);
      const after = await generations();
      expect(others.map(({ session }) => after.get(session.id))).toEqual(others.map(() => 1));
      expect(after.get(held!.session.id)).toBe(0);
      await Promise.all(others.map(({ refreshToken }) => test.sessions.refresh({ refreshToken: refreshToken! })));
    });

    await test.sessions.verify(held!.accessToken!);
    await test.confirmUses();
    expect((await generations()).get(held!.session.id)).toBe(1);
  });

  it('a signed generation beyond the column fails no batch', async () => {
    const { refreshToken, session } = await test.sessions.logIn('ada');
    await test.sessions.refresh({ refreshToken: refreshToken! });
    const store = test.app.get(RotationStore);
    const branch = (
      await test.database.query<{ branch: Buffer }>(
        'SELECT substring(successor_hash FROM 1 FOR 6) AS branch FROM jwt_session WHERE id = $1',
        [session.id],
      )
    )[0]!.branch.toString('base64url');
    const other = (await test.sessions.logIn('grace')).session;
    await store.confirm([
      { sessionId: session.id, generation: 1, branch, issuedAt: 0 },
      { sessionId: other.id, generation: 2 ** 40, branch, issuedAt: 0 },
    ]);
    expect(await test.database.query('SELECT generation FROM jwt_session WHERE id = $1', [session.id])).toEqual([
      { generation: 1 },
    ]);
  });
});
