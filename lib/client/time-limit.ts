import type { SessionEnvironment } from './client.types.js';

/** A third of the server's leeway, which is 30 s by default. */
const REFRESH_TIMEOUT_MS = 10_000;

/** Gives up after ten seconds, even if `run` ignores the signal: a later result is dropped. */
export function withinTimeLimit<T>(
  after: SessionEnvironment['after'],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const cancel = after(REFRESH_TIMEOUT_MS, () => {
      const error = Object.assign(new Error('Refresh took 10 s'), { name: 'TimeoutError' });
      reject(error);
      controller.abort(error);
    });
    void run(controller.signal).then(resolve, reject).finally(cancel);
  });
}

/** Awaits a promise that others await as well; the signal ends the wait of this caller alone. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason ?? new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
