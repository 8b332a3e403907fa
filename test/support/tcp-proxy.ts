import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../lib/schematics/database/free-port.js';

// PostgreSQL's ReadyForQuery outside a transaction: everything before it is committed.
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  listens: boolean;
}

interface LostAnswer {
  readonly statement: string;
  readonly lost: () => void;
}

/** A proxy between an application and its database on 127.0.0.1, which fails in the ways of networks. */
export class TcpProxy {
  private readonly links = new Set<Link>();
  private readonly listener: Server;
  private stalled = false;
  private deaf = false;
  private losing?: LostAnswer;
  private refusal?: Buffer;

  /** @param port one that no outgoing connection is given while nothing listens there */
  private constructor(
    private readonly target: URL,
    private readonly port: number,
  ) {
    this.listener = createServer(client => this.link(client));
  }

  static async to(databaseUrl: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(databaseUrl), await freePort());
    await proxy.listen();
    return proxy;
  }

  /** The database's URL through the proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** How many connections the application has. */
  get connections(): number {
    return this.links.size;
  }

  /** The database is gone: connections end, new ones are refused. */
  async refuse(): Promise<void> {
    const closed = once(this.listener, 'close');
    this.listener.close();
    await this.drop();
    await closed;
  }

  /** The server lets nobody in: connections end, and new ones are answered with that code (severity FATAL). */
  async refuseWith(code: string): Promise<void> {
    const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mrefused by a test\0\0`);
    const header = Buffer.from('E\0\0\0\0');
    header.writeInt32BE(fields.length + 4, 1);
    this.refusal = Buffer.concat([header, fields]);
    await this.drop();
  }

  /** The network drops everything: connections stay open, and no data arrives. */
  stall(): void {
    this.stalled = true;
  }

  /** The network drops idle connections silently: those that listen. */
  stallListening(): void {
    this.deaf = true;
  }

  /** The network works again; data that was under way before is lost. */
  async restore(): Promise<void> {
    // Again for connections that were opened meanwhile: they would never notice the loss.
    while ((this.stalled || this.deaf) && this.links.size > 0) await this.drop();
    this.stalled = this.deaf = false;
    this.refusal = undefined;
    if (!this.listener.listening) await this.listen();
  }

  /** Ends the connections, and waits until the application has noticed and ended its side, too. */
  private async drop(): Promise<void> {
    const closed = [...this.links].map(({ client }) => once(client, 'close'));
    for (const { client } of this.links) client.end();
    await Promise.all(closed);
  }

  /**
   * The next statement of that name reaches the database and is committed, and its answer is lost with the connection.
   *
   * @returns a promise for the moment when that has happened
   */
  loseAnswerTo(statement: string): Promise<void> {
    return new Promise(lost => (this.losing = { statement, lost }));
  }

  async close(): Promise<void> {
    if (this.listener.listening) await this.refuse();
  }

  private async listen(): Promise<void> {
    this.listener.listen(this.port, '127.0.0.1');
    await once(this.listener, 'listening');
  }

  private link(client: Socket): void {
    const { refusal } = this;
    client.on('error', () => undefined);
    // The first message opens the connection.
    if (refusal) return void client.once('data', () => client.end(refusal));
    const server = connect(Number(this.target.port), this.target.hostname);
    const link: Link = { client, server, listens: false };
    const swallows = () => this.stalled || (this.deaf && link.listens);
    this.links.add(link);
    let losing: LostAnswer | undefined;
    let tail = Buffer.alloc(0);
    client.on('data', chunk => {
      link.listens ||= chunk.includes('LISTEN ');
      if (swallows()) return;
      if (this.losing && chunk.includes(this.losing.statement)) {
        losing = this.losing;
        this.losing = undefined;
      }
      if (server.writable) server.write(chunk);
    });
    server.on('data', chunk => {
      if (swallows()) return;
      // Either side may have closed the connection meanwhile.
      if (!losing) return void (client.writable && client.write(chunk));
      tail = Buffer.concat([tail, chunk]).subarray(-READY.length);
      if (!tail.equals(READY)) return;
      client.destroy();
      losing.lost();
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      // Errors are expected here; `close` follows them.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        other.destroy();
        this.links.delete(link);
      });
    }
  }
}
