import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCESS_COOKIE, type Answer, send } from '../support/client.js';
import { usageErrorOf } from '../support/logged-errors.js';
import { LogInWithController } from '../support/log-in-with.controller.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const MAX_DURATION_MS = 4_096;

describe.each(PLATFORMS)('C04: the size of a cookie on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [LogInWithController] });
  });
  afterAll(() => test?.close());

  const logIn = (length: number, letter = 'x', transport?: string): Promise<Answer> =>
    send(`${test.url}/log-in-with`, {
      method: 'POST',
      body: { userId: 'ada', transport, claims: { text: letter.repeat(length) } },
    });
  const rows = async () => (await test.database.query('SELECT count(*) FROM jwt_session'))[0]!.count;

  /** The most letters with which a login works. */
  const most = async (letter: string) => {
    let [fits, exceeds] = [0, MAX_DURATION_MS];
    while (exceeds - fits > 1) {
      const middle = Math.floor((fits + exceeds) / 2);
      if ((await logIn(middle, letter)).status === 200) fits = middle;
      else exceeds = middle;
    }
    return fits;
  };

  it.each(['x', 'ß', '"'])('claims of "%s" fit as long as the whole cookie fits', async letter => {
    const fits = await most(letter);
    const { setCookie } = await logIn(fits, letter);
    const access = setCookie.find(header => header.startsWith(ACCESS_COOKIE))!;
    expect(access.length).toBeLessThanOrEqual(MAX_DURATION_MS);
    // What is kept in reserve for later generations and versions of the same session is not much.
    expect(access.length).toBeGreaterThan(MAX_DURATION_MS - 150);
    for (const header of setCookie) expect(header.length).toBeLessThanOrEqual(MAX_DURATION_MS);
  });

  it('longer ones are refused with what to do about it, and nothing is written', async () => {
    const before = await rows();
    const message = await usageErrorOf(test.app, () => logIn(4_000));
    expect(message).toMatch(/\d+ bytes longer than browsers take \(4096\).*"claims".*"data"/);
    expect(await rows()).toBe(before);
  });

  it('who takes the tokens in the body may have more', async () => {
    const { status, body } = await logIn(4_000, 'x', 'bearer');
    expect(status).toBe(200);
    const headers = { authorization: `Bearer ${body.accessToken}` };
    expect((await send(`${test.url}/me`, { headers })).status).toBe(200);
  });
});
