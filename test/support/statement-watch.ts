import { StatementLog } from './statement-log.js';
import type { TestApp } from './test-app.js';

const logs = new WeakMap<TestApp, StatementLog>();

/** What the revocation feed sends without any request. */
const BACKGROUND = /^(jwt_session_revocation_poll$|LISTEN )/;

/** The statements that the application made while `run` ran. */
export async function statementsDuring(test: TestApp, run: () => Promise<unknown>): Promise<string[]> {
  if (!logs.has(test)) logs.set(test, new StatementLog(test.app));
  const log = logs.get(test)!;
  // Uses that were noted before would otherwise be written in between.
  await test.confirmUses();
  log.take();
  await run();
  return log.take().filter(statement => !BACKGROUND.test(statement));
}
