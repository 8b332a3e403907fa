import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves an application's JWK Set to others, counts the requests for it, and can fail. */
export class KeySetServer {
  /** How often the keys were requested. */
  fetched = 0;
  isDown = false;

  private constructor(
    private readonly server: Server,
    readonly jwksUri: string,
  ) {}

  static async inFrontOf({ url }: { readonly url: string }): Promise<KeySetServer> {
    const server = createServer((_request, response) => {
      keySets.fetched++;
      if (keySets.isDown) return void response.writeHead(502).end();
      fetch(`${url}/.well-known/jwks.json`)
        .then(answer => answer.text())
        .then(
          text => response.setHeader('Content-Type', 'application/jwk-set+json').end(text),
          () => response.writeHead(502).end(),
        );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const keySets = new KeySetServer(server, `http://127.0.0.1:${port}/keys`);
    return keySets;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
