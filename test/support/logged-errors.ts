import type { INestApplication } from '@nestjs/common';
import type { Answer } from './client.js';

/** The errors that Nest logs meanwhile; the log of the tests is off otherwise. */
export async function loggedErrorsDuring(app: INestApplication, run: () => Promise<unknown>): Promise<Error[]> {
  const errors: Error[] = [];
  const silent = () => undefined;
  const error = (logged: unknown) => void (logged instanceof Error && errors.push(logged));
  app.useLogger({ log: silent, warn: silent, debug: silent, verbose: silent, error });
  try {
    await run();
  } finally {
    app.useLogger(false);
  }
  return errors;
}

/**
 * Makes a request that hits a mistake of the application: the client gets a bare 500, and the log gets the message with
 * its stack, which is returned.
 */
export async function usageErrorOf(app: INestApplication, ask: () => Promise<Answer>): Promise<string> {
  let answer: Answer | undefined;
  const [error, ...others] = await loggedErrorsDuring(app, async () => (answer = await ask()));
  const { status, body, setCookie } = answer!;
  const isBare = JSON.stringify(body) === JSON.stringify({ statusCode: 500, message: 'Internal server error' });
  if (status !== 500 || !isBare || setCookie.length > 0) {
    throw new Error(`the answer is no bare 500: ${status} ${JSON.stringify(body)}`);
  }
  if (error?.name !== 'SessionUsageError' || !error.stack?.includes('\n    at ') || others.length > 0) {
    throw new Error(`the log has no usage error with a stack: ${String(error)}`);
  }
  return error.message;
}
