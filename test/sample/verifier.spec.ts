import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { es256, jws, partsOf } from '../support/forged-token.js';
import { SampleProcess } from '../support/sample-process.js';
import { PLATFORMS } from '../support/test-app.js';

describe.each(PLATFORMS)('the verifier sample beside the first, on %s', platform => {
  let database: TestDatabase;
  let first: SampleProcess;
  let second: SampleProcess;
  let token: string;
  beforeAll(async () => {
    const environment = {
      HTTP_PLATFORM: platform,
      ACCESS_TOKEN_ISSUER: 'the first sample',
      ACCESS_TOKEN_AUDIENCE: 'the second',
      // The service goes on with what it knows while the first sample has no database.
      REVOCATION_MAX_STALENESS: '10m',
    };
    database = await TestDatabase.create();
    first = await SampleProcess.start(database, environment);
    second = await SampleProcess.startVerifier(first, environment);
    const { body } = await send(`${first.url}/login`, {
      method: 'POST',
      headers: { 'session-transport': 'bearer' },
      body: { username: 'ada', password: 'lovelace' },
    });
    token = body.accessToken!;
    // The first sample's database is switched off.
    await database.drop();
  });
  afterAll(async () => {
    await second?.stop();
    await first?.stop();
  });

  const whoAmI = (accessToken: string) =>
    send(`${second.url}/whoami`, { headers: { authorization: `Bearer ${accessToken}` } });

  it('answers 200 for a token of the first, whose database is gone', async () => {
    const { status, body } = await whoAmI(token);
    expect([status, body.role]).toEqual([200, 'admin']);
  });

  it('answers 401 for one that a foreign key has signed', async () => {
    const { header, payload } = partsOf(token);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { status, body } = await whoAmI(jws(header, payload, es256(privateKey)));
    expect([status, body.errorCode]).toEqual([401, 'access_token_invalid']);
  });

  it('serves those without a session where it may', async () => {
    expect((await send(`${second.url}/weather`)).body).toEqual({ forecast: 'sunny', for: 'everybody' });
  });
});
