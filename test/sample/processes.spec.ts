import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CookieClient, send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { SampleProcess } from '../support/sample-process.js';
import { startTestApp } from '../support/test-app.js';
import { until } from '../support/until.js';

describe('several processes on one database', () => {
  let database: TestDatabase;
  let processes: SampleProcess[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    // All at the same moment, on a database without a single table.
    processes = await Promise.all(Array.from({ length: 5 }, () => SampleProcess.start(database)));
  }, 60_000);
  afterAll(async () => {
    await Promise.all((processes ?? []).map(sample => sample.stop()));
    await database?.drop();
  });

  /** A client of one process that keeps the jar of another's. */
  function at(index: number, other: CookieClient): CookieClient {
    const client = new CookieClient(processes[index]!.url);
    other.jar.forEach((value, name) => client.jar.set(name, value));
    return client;
  }

  async function logIn(index = 0): Promise<CookieClient> {
    const client = new CookieClient(processes[index]!.url);
    await client.send('/login', { method: 'POST', body: { username: 'ada', password: 'lovelace' } });
    return client;
  }

  it("F7, J08: five processes on an empty database have the same keys and verify each other's tokens", async () => {
    const documents = await Promise.all(processes.map(({ url }) => send(`${url}/.well-known/jwks.json`)));
    const kids = documents.map(({ body }) => (body.keys as { kid: string }[]).map(({ kid }) => kid));
    // Shortly before a period ends there are two.
    expect(kids[0]).not.toEqual([]);
    expect(kids).toEqual(Array.from({ length: 5 }, () => kids[0]));
    for (let index = 0; index < 5; index++) {
      const client = await logIn(index);
      for (let other = 0; other < 5; other++) expect((await at(other, client).send('/me')).status).toBe(200);
    }
  });

  it('R05: refreshes of one token in four processes all succeed and make one lineage', async () => {
    const client = await logIn();
    const answers = await Promise.all(
      Array.from({ length: 48 }, (_, index) => at(index % 4, client).sendOnly('/session/refresh', { method: 'POST' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const tokens = new Set(
      answers
        .flatMap(({ setCookie }) => setCookie.filter(cookie => cookie.startsWith('refresh_token=')))
        .map(cookie => cookie.split(';')[0]),
    );
    expect(tokens.size).toBe(1);
    client.keep(answers.at(-1)!);
    expect((await at(1, client).send('/me')).status).toBe(200);
    expect((await at(2, client).send('/session/refresh', { method: 'POST' })).status).toBe(200);
  });

  it('four processes that confirm the same 400 sessions do not deadlock', async () => {
    // Minted by the library in this process, which has the generated secret from the database like the others.
    const issuer = await startTestApp({ database, session: { secret: 'database' } });
    const tokens = await Promise.all(
      Array.from({ length: 400 }, async () => {
        const { refreshToken } = await issuer.sessions.logIn('ada');
        return (await issuer.sessions.refresh({ refreshToken: refreshToken! })).accessToken!;
      }),
    );
    const unconfirmed = async () => {
      const [row] = await database.query<{ count: string }>(
        'SELECT count(*) FROM jwt_session WHERE generation = 0 AND successor_hash IS NOT NULL',
      );
      return Number(row!.count);
    };
    expect(await unconfirmed()).toBeGreaterThanOrEqual(400);

    // Every process sees each access token for the first time, and not in the same order.
    await Promise.all(
      processes.slice(0, 4).flatMap(({ url }, index) =>
        (index % 2 === 0 ? tokens : tokens.toReversed()).map(async token => {
          expect((await send(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
        }),
      ),
    );
    await until(async () => (await unconfirmed()) === 0);
    const [row] = await database.query<{ deadlocks: string }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(Number(row!.deadlocks)).toBe(0);
    // On a busy machine one may come late, and is made good by the next use.
    for (const { output } of processes) expect(output).not.toMatch(/deadlock/);
    await issuer.close();
  }, 60_000);
});
