import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { AccessTokenInvalidError, type IssuedTokens } from 'nestjs-jwt-session';
import type { GeneratedAlgorithm } from '../../lib/options/token-options.js';
import { SessionClock } from '../../lib/testing/index.js';
import { send } from '../support/client.js';
import { FixedClock } from '../support/fixed-clock.js';
import { jws, partsOf } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { type Forgery, openWorkshop, type Workshop } from './forgeries.js';

/** An application under attack, and what the attacker works with. Its process clock does not move. */
export interface Target {
  readonly test: TestApp;
  readonly workshop: Workshop;
  /** Another user's token. */
  logInAsGrace(): Promise<IssuedTokens>;
}

export async function openTarget(algorithm: GeneratedAlgorithm): Promise<Target> {
  const clock = new FixedClock();
  const test = await startTestApp({
    session: { accessToken: { algorithm } },
    override: builder => void builder.overrideProvider(SessionClock).useValue(clock),
  });
  const workshop = await openWorkshop(test, 'http://127.0.0.1:9');

  // However long all of it takes: no token is of the future.
  async function standAt(issuedAt: number): Promise<void> {
    clock.time = issuedAt;
    // The one reload that an unknown `kid` may cause in a second: from here on no vector may cost a query.
    const unknown = jws({ ...workshop.header, kid: 'unknown' }, workshop.payload, workshop.own);
    await expect(test.sessions.verify(unknown)).rejects.toThrow(AccessTokenInvalidError);
  }

  await standAt((workshop.payload.iat as number) * 1_000);
  return {
    test,
    workshop,
    async logInAsGrace() {
      const issued = await test.sessions.logIn('grace', { transport: 'bearer' });
      await standAt((partsOf(issued.accessToken!).payload.iat as number) * 1_000);
      return issued;
    },
  };
}

/** Each token is refused as an invalid one, and none costs a query. A vector that is not is called by its name. */
export async function expectRefused({ test, workshop }: Target, vectors: readonly [string, Forgery][]): Promise<void> {
  expect(vectors.length).toBeGreaterThan(0);
  const wrong: [string, unknown][] = [];
  const taken = await statementsDuring(test, async () => {
    for (const [name, forge] of vectors) {
      // With the event loop blocked for long, the application would take the next login for a late one.
      await nextTurn();
      const outcome: unknown = await test.sessions.verify(forge(workshop)).catch((error: unknown) => error);
      if (!(outcome instanceof AccessTokenInvalidError)) wrong.push([name, outcome]);
    }
  });
  expect(wrong).toEqual([]);
  expect(taken).toEqual([]);
}

/** The same for tokens that have no names but themselves. */
export function expectAllRefused(target: Target, tokens: readonly string[]): Promise<void> {
  return expectRefused(
    target,
    tokens.map(token => [token, () => token]),
  );
}

/** After all that was thrown at it the application serves the genuine token's owner. */
export async function expectAlive({ test, workshop }: Target): Promise<void> {
  const answer = await send(`${test.url}/me`, { headers: { authorization: `Bearer ${workshop.genuine}` } });
  expect(answer).toMatchObject({ status: 200, body: { userId: 'ada' } });
}
