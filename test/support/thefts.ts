import type { RotationTheft } from '../../lib/rules/rotation.js';
import { CookieClient } from './client.js';
import type { TestApp } from './test-app.js';

/** A logged-in victim, and a thief with a copy of the jar, whose next refresh is detected. */
export interface Theft {
  readonly sessionId: string;
  readonly victim: CookieClient;
  readonly thief: CookieClient;
}

/** How each class of theft happens. */
export const THEFTS: Record<RotationTheft, (test: TestApp, theft: Theft) => Promise<void>> = {
  // The parent of the token in use. A client that crashes between use and storage does the same.
  async recent(test, { victim }) {
    await victim.refresh();
    await victim.refresh();
    await test.advance('31s');
  },
  // The thief mints first and keeps quiet; after the window the victim, whose token still counts, gets another child.
  async fork(test, { victim, thief }) {
    await thief.refresh();
    await test.advance('31s');
    await victim.refresh();
  },
  async stale(test, { victim }) {
    for (let round = 0; round < 3; round++) {
      await victim.refresh();
      await test.advance('31s');
    }
  },
};

export const THEFT_CLASSES = Object.keys(THEFTS) as RotationTheft[];

/** Runs a theft of that class up to the refresh of the thief. */
export async function steal(test: TestApp, theftClass: RotationTheft, userId = 'ada'): Promise<Theft> {
  const victim = new CookieClient(test.url);
  await victim.logIn(userId);
  const { sessionId } = (await victim.send('/me')).body;
  const theft = { sessionId: sessionId!, victim, thief: victim.copy() };
  await THEFTS[theftClass](test, theft);
  return theft;
}
