import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { encodeRefreshToken, hashOf } from '../../lib/rules/refresh-token.js';
import type { SessionError } from '../../lib/session.errors.js';
import { type ObservedSession, RotationStore } from '../../lib/store/rotation.store.js';
import { OpenTransaction, untilWaiting } from '../support/races.js';
import { insertSessions, sessionSeed } from '../support/session-rows.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';

const about = (sessionId: string) => ({ sessionId, deadline: Infinity });

/** What another connection may do to a row between the statement that reads it and the one that acts on it. */
const CHANGES = [
  ['generation', 'generation = generation + 1'],
  ['token', "token_hash = sha256('other')"],
  ['successor', "successor_hash = sha256('other')"],
  ['previous token', "previous_hash = sha256('other')"],
  ['window', "leeway_until = now() - interval '1 minute'"],
  ['end', "revoked_at = now(), revoked_reason = 'logout'"],
  ['expiry', 'expires_at = now()'],
] as const;

describe('what a refresh decides is done to the row that it has seen, or not at all', () => {
  let test: TestApp;
  let store: RotationStore;
  beforeAll(async () => {
    test = await startTestApp({ session: { onTheft: 'revoke-user' } });
    store = test.app.get(RotationStore);
  });
  afterAll(() => test?.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** A session of generation 3 within a window, of which the client presents generation 2: a late parent. */
  async function lateParent() {
    const secret = Buffer.alloc(32, 2);
    const seed = sessionSeed({
      generation: 3,
      successorHash: null,
      successorSalt: null,
      previousHash: hashOf(secret),
      leewayUntil: 60_000,
    });
    await insertSessions(test.database, [seed]);
    const refreshToken = encodeRefreshToken({ sessionId: seed.id, generation: 2, secret }, deriveServerKeys(SECRET));
    return { id: seed.id, refreshToken, observed: (await store.readForRotation(about(seed.id)))! };
  }

  const change = (id: string, assignment: string) =>
    test.database.query(`UPDATE jwt_session SET ${assignment} WHERE id = $1`, [id]);

  async function reasonOf(id: string): Promise<string | null> {
    const rows = await test.database.query<{ revoked_reason: string | null }>(
      'SELECT revoked_reason FROM jwt_session WHERE id = $1',
      [id],
    );
    return rows[0]!.revoked_reason;
  }

  const endStolen = async (id: string, observed: ObservedSession) =>
    (await store.endStolen(about(id), observed, 'recent', false)).length > 0;

  const answerLateParent = async (id: string, observed: ObservedSession) =>
    (await store.answerLateParent(about(id), observed)) !== undefined;

  describe.each([
    ['theft is not declared', endStolen],
    ['a late parent is not answered', answerLateParent],
  ])('%s', (_, act) => {
    it.each(CHANGES)('R02: where another connection has changed the %s since', async (__, assignment) => {
      const { id, observed } = await lateParent();
      await change(id, assignment);
      expect(await act(id, observed)).toBe(false);
      expect(await reasonOf(id)).not.toBe('theft:recent');
    });

    it.each(CHANGES)('R02: where another connection is about to change the %s', async (__, assignment) => {
      const { id, observed } = await lateParent();
      const other = await OpenTransaction.begin(test.database);
      await other.query(`UPDATE jwt_session SET ${assignment} WHERE id = $1`, [id]);
      const done = act(id, observed);
      await untilWaiting(test.database, 1);
      await other.commit();
      expect(await done).toBe(false);
    });

    it.each([
      ['nothing has changed', undefined],
      ['the change is rolled back', 'generation = generation + 1'],
    ])('R02: but where %s', async (__, assignment) => {
      const { id, observed } = await lateParent();
      const other = await OpenTransaction.begin(test.database);
      if (assignment) await other.query(`UPDATE jwt_session SET ${assignment} WHERE id = $1`, [id]);
      const done = act(id, observed);
      if (assignment) await untilWaiting(test.database, 1);
      await other.rollback();
      expect(await done).toBe(true);
    });
  });

  it("R02: a theft that misses its session leaves the user's others alone", async () => {
    const [stolen, other] = [sessionSeed({ userId: 'grace' }), sessionSeed({ userId: 'grace' })];
    await insertSessions(test.database, [stolen, other]);
    const observed = (await store.readForRotation(about(stolen.id)))!;
    await change(stolen.id, 'generation = 1');
    expect(await store.endStolen(about(stolen.id), observed, 'stale', true)).toEqual([]);
    expect(await reasonOf(other.id)).toBeNull();

    const again = (await store.readForRotation(about(stolen.id)))!;
    expect((await store.endStolen(about(stolen.id), again, 'stale', true)).sort()).toEqual(
      [stolen.id, other.id].sort(),
    );
  });

  /** Changes the row each time after the refresh has read it and before it acts. */
  function afterEachLook(id: string, assignments: Iterable<string>) {
    const read = store.readForRotation.bind(store);
    const changes = assignments[Symbol.iterator]();
    return jest.spyOn(store, 'readForRotation').mockImplementation(async request => {
      const observed = await read(request);
      const { value, done } = changes.next();
      if (!done) await change(id, value);
      return observed;
    });
  }

  it('R02: a refresh whose row changes meanwhile decides again, by what the row is then', async () => {
    const { id, refreshToken } = await lateParent();
    afterEachLook(id, ["generation = 4, previous_hash = token_hash, token_hash = sha256('newer')"]);
    const refused = test.sessions.refresh({ refreshToken });
    await expect(refused).rejects.toMatchObject({ errorCode: 'token_theft_detected', theftClass: 'stale' });
  });

  it('R02: and after three times asks the client to repeat, without having ended anything', async () => {
    const { id, refreshToken } = await lateParent();
    const looks = afterEachLook(
      id,
      [1, 2, 3, 4].map(turn => `successor_hash = sha256('${turn}')`),
    );
    const error = await test.sessions.refresh({ refreshToken }).catch((refused: SessionError) => refused);
    expect(error).toMatchObject({ errorCode: 'session_store_unavailable' });
    expect(looks).toHaveBeenCalledTimes(3);
    expect(await reasonOf(id)).toBeNull();
  });
});
