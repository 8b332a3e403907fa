import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** The range ends below the ports of outgoing connections (Linux: from 32,768), which may be taken at any moment. */
const FIRST_PORT = 20_000;
const END_PORT = 32_768;
const MAX_ATTEMPTS = 20;

/** @returns a port of 127.0.0.1 on which nothing listens */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(FIRST_PORT, END_PORT);
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch (error) {
      if (attempt < MAX_ATTEMPTS && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    await once(server.close(), 'close');
    return port;
  }
}
