import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { RevocationsServer } from '../support/revocations-server.js';
import { SampleProcess } from '../support/sample-process.js';
import { until } from '../support/until.js';

/** Polls every second, and decrypts its keys when it starts again. */
const ISSUING = { REVOCATION_MAX_STALENESS: '3s', SESSION_SECRET: 'a secret of this test, of 32 bytes or more' };

/** What happens to the answers, in turn. */
const FATES = ['delivered', 'lost', 'delayed', 'repeated'] as const;

describe('F34: four services on a bad network', () => {
  let database: TestDatabase;
  let issuing: SampleProcess;
  let network: RevocationsServer;
  let services: SampleProcess[];
  beforeAll(async () => {
    database = await TestDatabase.create();
    issuing = await SampleProcess.start(database, ISSUING);
    network = await RevocationsServer.inFrontOf(issuing);
    services = await Promise.all(
      ['express', 'fastify', 'express', 'fastify'].map(platform =>
        SampleProcess.startVerifier(issuing, {
          HTTP_PLATFORM: platform,
          REVOCATIONS_URL: network.url,
          REVOCATION_MAX_STALENESS: '6s',
        }),
      ),
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.all((services ?? []).map(service => service.stop()));
    await network?.close();
    await issuing?.stop();
    await database?.drop();
  });

  async function logIn(): Promise<{ token: string; logOut(): Promise<unknown> }> {
    const { body } = await send(`${issuing.url}/login`, {
      method: 'POST',
      headers: { 'session-transport': 'bearer' },
      body: { username: 'ada', password: 'lovelace' },
    });
    const refreshToken = body.refreshToken!;
    const logOut = () => send(`${issuing.url}/session/logout`, { method: 'POST', body: { refreshToken } });
    return { token: body.accessToken!, logOut };
  }

  async function answersTo(token: string): Promise<(string | number)[]> {
    const headers = { authorization: `Bearer ${token}` };
    const answers = await Promise.all(services.map(({ url }) => send(`${url}/whoami`, { headers })));
    return answers.map(({ status, body }) => body.errorCode ?? status);
  }

  const everywhere = (token: string, answer: string | number) =>
    until(async () => (await answersTo(token)).every(one => one === answer));

  it('a log-out arrives in each although answers are lost, late and repeated, and nobody else is refused', async () => {
    let [count, held] = [0, undefined as Awaited<ReturnType<NonNullable<typeof network.answer>>>];
    network.answer = async forward => {
      switch (FATES[count++ % FATES.length]) {
        case 'lost':
          await forward();
          return undefined;
        case 'delayed': {
          const reply = await forward();
          await new Promise(resolve => setTimeout(resolve, 200));
          return (held = reply);
        }
        case 'repeated':
          return held ?? forward();
        default:
          return forward();
      }
    };
    const [ended, live] = [await logIn(), await logIn()];
    await everywhere(ended.token, 200);
    await ended.logOut();
    await everywhere(ended.token, 'session_revoked');
    await everywhere(live.token, 200);
    expect(count).toBeGreaterThan(FATES.length);
    network.answer = undefined;
  });

  it('the issuing application starts again, and each goes on with what it knows and learns the rest', async () => {
    const [before, after, live] = [await logIn(), await logIn(), await logIn()];
    await before.logOut();
    await everywhere(before.token, 'session_revoked');
    await issuing.stop('SIGKILL');
    expect(await answersTo(before.token)).toEqual(Array(4).fill('session_revoked'));
    // The services keep asking where the application was.
    issuing = await SampleProcess.start(database, { ...ISSUING, PORT: new URL(issuing.url).port });
    await after.logOut();
    await everywhere(after.token, 'session_revoked');
    await everywhere(before.token, 'session_revoked');
    await everywhere(live.token, 200);
  });

  it('a service that starts again knows at once what was revoked before', async () => {
    const { token, logOut } = await logIn();
    await logOut();
    await services[0]!.stop('SIGKILL');
    services[0] = await SampleProcess.startVerifier(issuing, { REVOCATIONS_URL: network.url });
    expect((await answersTo(token))[0]).toBe('session_revoked');
  });
});
