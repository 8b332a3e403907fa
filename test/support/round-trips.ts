import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long the proxy waits for what the application sends without an answer, in milliseconds. */
const QUIET_MS = 50;

/**
 * A proxy between an application and its database on 127.0.0.1 that counts round trips: it keeps each answer until the
 * application has been quiet, so that what is sent together is one.
 */
export class RoundTrips {
  /** Of all connections that are not new. */
  count = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly target: URL,
    private readonly listener: Server,
  ) {
    listener.on('connection', client => this.link(client));
  }

  static async to(databaseUrl: string): Promise<RoundTrips> {
    const listener = createServer();
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    return new RoundTrips(new URL(databaseUrl), listener);
  }

  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.listener.address() as { port: number }).port);
    return url.href;
  }

  /** How many round trips a task makes, one after the other. */
  async during(task: () => Promise<unknown>): Promise<number> {
    // What was sent before is answered.
    await sleep(4 * QUIET_MS);
    this.count = 0;
    await task();
    return this.count;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await once(this.listener.close(), 'close');
  }

  private link(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    let held: Buffer[] = [];
    let release: NodeJS.Timeout | undefined;
    let sentAt = 0;
    const answer = () => {
      const quiet = Date.now() - sentAt;
      if (quiet < QUIET_MS) return void (release = setTimeout(answer, QUIET_MS - quiet));
      release = undefined;
      this.count++;
      client.write(Buffer.concat(held));
      held = [];
    };
    client.on('data', data => {
      sentAt = Date.now();
      server.write(data);
    });
    server.on('data', data => {
      held.push(data);
      release ??= setTimeout(answer, QUIET_MS);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
