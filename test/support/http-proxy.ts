import { hash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { selfSigned } from './certificate.js';

interface Traffic {
  underWay: number;
  most: number;
  total: number;
  /** The headers of the last one. */
  headers: IncomingHttpHeaders;
  /** Of all answers. */
  readonly statuses: number[];
}

/**
 * A proxy between a browser and an application, with or without TLS. It counts requests, and loses answers as networks
 * do.
 */
export class HttpProxy {
  private readonly traffic = new Map<string, Traffic>();
  private readonly refusing = new Map<string, number>();
  private losing?: { readonly line: string; readonly lost: () => void };
  private readonly server: Server;
  private readonly certificate = selfSigned();

  private constructor(
    private target: URL,
    private readonly scheme: 'http' | 'https',
  ) {
    const forward = this.forward.bind(this);
    this.server = scheme === 'https' ? createTlsServer(this.certificate, forward) : createServer(forward);
    this.server.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => this.upgrade(incoming, socket));
  }

  static async to(url: string, scheme: 'http' | 'https' = 'http'): Promise<HttpProxy> {
    const proxy = new HttpProxy(new URL(url), scheme);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return this.at('127.0.0.1');
  }

  /** Names the certificate to a browser that is to accept it. */
  get fingerprint(): string {
    const { publicKey } = new X509Certificate(this.certificate.cert);
    return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'base64');
  }

  /** The proxy by another name of this machine. */
  at(host: string): string {
    return `${this.scheme}://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  /** The requests of that line, such as `POST /session/refresh`: how many there were, and at most at once. */
  requests(line: string): Readonly<Traffic> {
    return this.traffic.get(line) ?? idle();
  }

  /** From now on requests go to another process. */
  redirectTo(url: string): void {
    this.target = new URL(url);
  }

  /** Answers such requests itself with that status, as a rate limit or a wrong configuration does, until called without. */
  refuse(line: string, status?: number): void {
    if (status === undefined) this.refusing.delete(line);
    else this.refusing.set(line, status);
  }

  /** How many requests wait for their answers. */
  get underWay(): number {
    return [...this.traffic.values()].reduce((sum, { underWay }) => sum + underWay, 0);
  }

  /**
   * The next such request reaches the server and is answered, and the answer is lost with the connection.
   *
   * @returns a promise for the moment when that has happened
   */
  loseAnswerTo(line: string): Promise<void> {
    return new Promise(lost => (this.losing = { line, lost }));
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { hostname, port } = this.target;
    const { method, url: path, headers } = incoming;
    const line = `${method} ${path}`;
    const end = this.begin(line, headers);
    const refusal = this.refusing.get(line);
    if (refusal !== undefined) {
      this.traffic.get(line)!.statuses.push(refusal);
      end();
      outgoing.writeHead(refusal, { connection: 'close' }).end();
      return;
    }
    // On a connection of its own: one that was used before may be closed by the application at this very moment.
    const forwarded = request({ hostname, port, method, path, headers, agent: false }, answer => {
      // Before the browser receives the answer and sends further requests.
      this.traffic.get(line)!.statuses.push(answer.statusCode!);
      end();
      if (this.losing?.line === line) {
        const { lost } = this.losing;
        this.losing = undefined;
        answer.resume().once('end', () => {
          outgoing.destroy();
          lost();
        });
        return;
      }
      // On a connection of its own, because browsers send again by themselves what failed on one that was used before.
      outgoing.writeHead(answer.statusCode!, { ...answer.headers, connection: 'close' });
      answer.pipe(outgoing);
    });
    // Either side may close the connection.
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => {
      end();
      forwarded.destroy();
    });
    incoming.pipe(forwarded);
  }

  /** A WebSocket: its bytes are passed on in both directions. */
  private upgrade(incoming: IncomingMessage, socket: Duplex): void {
    const end = this.begin(`${incoming.method} ${incoming.url}`, incoming.headers);
    const { rawHeaders } = incoming;
    const lines = rawHeaders.flatMap((name, index) => (index % 2 ? [] : [`${name}: ${rawHeaders[index + 1]}`]));
    const forwarded = connect(Number(this.target.port), this.target.hostname);
    forwarded.write([`${incoming.method} ${incoming.url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    socket.pipe(forwarded).pipe(socket);
    socket.on('error', () => forwarded.destroy()).on('close', () => forwarded.destroy());
    forwarded.on('error', () => socket.destroy()).on('close', () => (socket.destroy(), end()));
  }

  /** Counts a request. Returns what is to be called when it ends, once or more. */
  private begin(line: string, headers: IncomingHttpHeaders): () => void {
    const traffic = this.traffic.get(line) ?? idle();
    this.traffic.set(line, traffic);
    traffic.headers = headers;
    traffic.total++;
    traffic.most = Math.max(traffic.most, ++traffic.underWay);
    let ended = false;
    return () => {
      if (!ended) traffic.underWay--;
      ended = true;
    };
  }
}

function idle(): Traffic {
  return { underWay: 0, most: 0, total: 0, headers: {}, statuses: [] };
}
