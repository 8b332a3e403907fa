import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { GENERATED_ALGORITHMS } from '../../lib/options/token-options.js';
import { SharedClock, TestDatabase } from '../support/database.js';
import { partsOf } from '../support/forged-token.js';
import { type ForeignService, joseService, serviceProcess, type Trust } from '../support/foreign-services.js';
import { JWKS_PATH } from '../support/jwks.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 1_440 * MINUTE;
const PERIOD = 7 * DAY;

const ISSUER = 'https://login.example';
const AUDIENCE = 'https://api.example';

/**
 * When tokens are issued, by the distance from the beginning of a period: before the next key is shown (an hour ahead),
 * when it just is, and around the moment at which it signs. Ten seconds before that jose has fetched anew, because what
 * it had was older than ten minutes; ten seconds after it, it fetches nothing: what it has must do.
 */
const LOOKS = [-61 * MINUTE, -59 * MINUTE, -10 * SECOND, 10 * SECOND, DAY];

// Debian's python3-jwt is for the system's Python; another one in the path knows nothing of it.
const PYTHON = '/usr/bin/python3';
const hasPyJwt = spawnSync(PYTHON, ['-c', 'import jwt, cryptography']).status === 0;

const SERVICES: [string, (trust: Trust) => ForeignService][] = [
  ['jose', joseService],
  ['express-jwt and jwks-rsa', serviceProcess(process.execPath, 'express-jwt-service.mjs')],
  ['fast-jwt and jwks-rsa', serviceProcess(process.execPath, 'fast-jwt-service.mjs')],
];
if (hasPyJwt) SERVICES.push(['PyJWT', serviceProcess(PYTHON, 'pyjwt_service.py')]);

/**
 * Three rotations at the default `rotateEvery` and `publishAhead`, with each library's own cache. The other services'
 * clocks show the real time, so the application's begins four weeks ago and its tokens live for thirty days: all of
 * them are valid at the end. That is harsher than life, for where hours pass without a library's noticing no cache
 * expires.
 */
describe.each(GENERATED_ALGORITHMS)('other services that verify %s tokens by the JWK Set alone', algorithm => {
  const tokens: string[] = [];
  const failures = new Map(SERVICES.map(([library]) => [library, [] as string[]]));
  let database: TestDatabase;
  let test: TestApp;
  let trust: Trust;
  let services: Map<string, ForeignService>;

  const moveTo = (time: number) => test.advance(`${time - test.clock.now()}ms`);

  async function verifyEverywhere(token: string, occasion: string): Promise<void> {
    await Promise.all(
      [...services].map(async ([library, service]) => {
        try {
          const payload = await service.verify(token);
          expect(payload).toMatchObject({ sub: 'ada', iss: ISSUER, aud: AUDIENCE, role: 'admin' });
        } catch (error) {
          failures.get(library)!.push(`${occasion}: ${String(error)}`);
        }
      }),
    );
  }

  beforeAll(async () => {
    const firstPeriod = Math.floor((Date.now() - 22 * DAY) / PERIOD) * PERIOD;
    database = await TestDatabase.create();
    const clock = await SharedClock.install(database);
    await clock.advance(`-${Date.now() - firstPeriod - DAY}ms`);
    const accessToken = { algorithm, issuer: ISSUER, audience: AUDIENCE, lifetime: '30d' };
    test = await startTestApp({ database, clock, session: { accessToken } });
    trust = {
      jwksUri: `${test.url}${JWKS_PATH}`,
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithm,
      now: () => clock.now(),
    };
    services = new Map(SERVICES.map(([library, start]) => [library, start(trust)]));

    for (const period of [1, 2, 3]) {
      for (const look of LOOKS) {
        await moveTo(firstPeriod + period * PERIOD + look);
        const issued = await test.sessions.logIn('ada', { transport: 'bearer', claims: { role: 'admin' } });
        tokens.push(issued.accessToken!);
        await verifyEverywhere(issued.accessToken!, `period ${period}, ${look / SECOND} s from its beginning`);
      }
    }
    for (const [index, token] of tokens.entries()) await verifyEverywhere(token, `token ${index}, at the end`);
  });
  afterAll(async () => {
    await Promise.all([...(services?.values() ?? [])].map(service => service.close()));
    await test?.close();
    await database?.drop();
  });

  it('J07: the tokens are of four keys, and none expired on the way', () => {
    expect(new Set(tokens.map(token => partsOf(token).header.kid)).size).toBe(4);
    expect(test.clock.now()).toBeLessThanOrEqual(Date.now());
  });

  it.each(SERVICES)('J06: J07: F18: with %s no verification fails through three rotations', library => {
    expect(failures.get(library)).toEqual([]);
  });

  it('J07: F18: who comes late and knows no key yet verifies the oldest token too', async () => {
    expect(await joseService(trust).verify(tokens[0]!)).toMatchObject({ sub: 'ada' });
  });

  it.each(SERVICES)('F18: with %s the signature of another token is refused', async library => {
    const [other, genuine] = tokens.slice(-2).map(token => token.split('.')) as [string[], string[]];
    const forged = [genuine[0], genuine[1], other[2]].join('.');
    await expect(services.get(library)!.verify(forged)).rejects.toThrow(/signature/i);
  });

  // oxlint-disable-next-line jest/no-disabled-tests -- what a machine without the package does not try it should say
  if (!hasPyJwt) it.skip('J06: J07: F18: with PyJWT: python3-jwt is not installed', () => {});
});
