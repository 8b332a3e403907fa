import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** The directions in which the network holds everything back. It arrives when the network works again. */
export type Stalled = 'requests' | 'answers' | 'both';

interface Direction {
  readonly from: Socket;
  readonly to: Socket;
  readonly name: 'requests' | 'answers';
  held: Buffer[];
  ended: boolean;
}

/**
 * A proxy between a process and its database. While the network is stalled, the proxy keeps all data and delivers it
 * afterwards, also for a connection that its client has closed meanwhile: the database then carries out a statement
 * that its client gave up.
 */
export class Network {
  private readonly directions = new Set<Direction>();
  private stalled?: Stalled;
  private refusing = false;
  private refusal?: Buffer;

  private constructor(
    private readonly listener: Server,
    private target: number,
  ) {
    listener.on('connection', client => this.link(client));
  }

  static async to(port: number): Promise<Network> {
    const listener = createServer();
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    return new Network(listener, port);
  }

  get port(): number {
    return (this.listener.address() as { port: number }).port;
  }

  /** New connections go there. */
  redirect(port: number): void {
    this.target = port;
  }

  stall(what: Stalled): void {
    this.stalled = what;
  }

  /** Connections end, and new ones are refused. */
  refuse(): void {
    this.refusing = true;
    for (const { from, to } of this.directions) {
      from.destroy();
      to.destroy();
    }
  }

  /** The database answers new connections with an error, as it does when its disk is full. */
  refuseWith(sqlState: string, message: string): void {
    this.refusal = errorResponse(sqlState, message);
  }

  restore(): void {
    this.stalled = undefined;
    this.refusing = false;
    this.refusal = undefined;
    for (const direction of this.directions) this.deliver(direction);
  }

  async close(): Promise<void> {
    this.refuse();
    await once(this.listener.close(), 'close');
  }

  private link(client: Socket): void {
    if (this.refusing) return void client.destroy();
    client.on('error', () => undefined);
    if (this.refusal) {
      const { refusal } = this;
      // The first message is the client's startup packet.
      return void client.once('data', () => client.end(refusal));
    }
    const server = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true });
    server.on('error', () => undefined);
    this.pass({ from: client, to: server, name: 'requests', held: [], ended: false });
    this.pass({ from: server, to: client, name: 'answers', held: [], ended: false });
  }

  private pass(direction: Direction): void {
    const { from } = direction;
    this.directions.add(direction);
    from.on('data', chunk => {
      direction.held.push(chunk);
      this.deliver(direction);
    });
    from.on('close', () => {
      direction.ended = true;
      this.deliver(direction);
    });
  }

  private deliver(direction: Direction): void {
    const { name, held, to, ended } = direction;
    if (this.stalled === name || this.stalled === 'both') return;
    for (const chunk of held.splice(0)) if (to.writable) to.write(chunk);
    if (!ended) return;
    to.end();
    this.directions.delete(direction);
  }
}

function errorResponse(sqlState: string, message: string): Buffer {
  const fields = ['SFATAL', 'VFATAL', `C${sqlState}`, `M${message}`].map(field => `${field}\0`).join('');
  const body = Buffer.from(`${fields}\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
