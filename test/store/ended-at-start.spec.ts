import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { startTestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/database.js';

const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
const TERMINATED = Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');

/** A database that shuts down: it ends each connection in the packet that says that the connection is ready. */
class EndingProxy {
  isEnding = false;

  private constructor(
    private readonly listener: Server,
    target: URL,
  ) {
    listener.on('connection', client => {
      const server = connect(Number(target.port), target.hostname);
      const { isEnding } = this;
      server.on('data', chunk => {
        const isReady = chunk.subarray(-READY.length).equals(READY);
        client.write(isEnding && isReady ? Buffer.concat([chunk, errorOf(TERMINATED)]) : chunk);
      });
      client.on('data', chunk => server.write(chunk));
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => undefined);
        one.on('close', () => other.destroy());
      }
    });
  }

  static async to(database: TestDatabase): Promise<EndingProxy> {
    const listener = createServer();
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    return new EndingProxy(listener, new URL(database.url));
  }

  url(database: TestDatabase): string {
    const url = new URL(database.url);
    url.hostname = '127.0.0.1';
    url.port = String((this.listener.address() as { port: number }).port);
    return url.href;
  }

  close(): void {
    this.listener.close();
  }
}

function errorOf(fields: Buffer): Buffer {
  const head = Buffer.from([0x45, 0, 0, 0, 0]);
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

it.each([{}, { maxPerUser: 3 }])(
  'a connection that ends as soon as it is ready is 503, and ends no process: %o',
  async session => {
    const database = await TestDatabase.create();
    const proxy = await EndingProxy.to(database);
    const test = await startTestApp({
      database,
      session: { session },
      typeorm: { url: proxy.url(database), extra: { idleTimeoutMillis: 1 } },
    });
    try {
      proxy.isEnding = true;
      await database.query(
        `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      await expect(test.sessions.logIn('ada')).rejects.toMatchObject({ errorCode: 'session_store_unavailable' });
      proxy.isEnding = false;
      await expect(test.sessions.logIn('ada')).resolves.toBeDefined();
    } finally {
      await test.close();
      proxy.close();
      await database.drop();
    }
  },
);
