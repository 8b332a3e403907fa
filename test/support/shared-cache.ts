import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Stored {
  /** The request headers that the answer depends on, as they were. */
  readonly vary: readonly (readonly [name: string, value: unknown])[];
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/**
 * A shared cache in front of an application, as greedy as RFC 9111 allows and greedier: it keeps every 200 to a GET,
 * also without a lifetime, with `Set-Cookie` or in answer to `Authorization`, unless `Cache-Control` forbids it.
 */
export class SharedCache {
  private readonly stored = new Map<string, Stored[]>();
  private readonly server: Server;

  private constructor(private readonly origin: string) {
    this.server = createServer((request, response) => {
      void this.answer(request.method!, request.url!, request.headers).then(({ status, headers, body }) => {
        for (const [name, value] of headers) response.appendHeader(name, value);
        response.writeHead(status).end(body);
      });
    });
  }

  static async inFrontOf(origin: string): Promise<SharedCache> {
    const cache = new SharedCache(origin);
    cache.server.listen(0, '127.0.0.1');
    await once(cache.server, 'listening');
    return cache;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async answer(method: string, path: string, headers: IncomingHttpHeaders): Promise<Stored> {
    const kept = method === 'GET' ? (this.stored.get(path) ?? []) : [];
    const hit = kept.find(({ vary }) => vary.every(([name, value]) => headers[name] === value));
    if (hit) return { ...hit, headers: [...hit.headers, ['x-cache', 'hit']] };
    const { host: _host, connection: _connection, ...forwarded } = headers;
    const answer = await fetch(this.origin + path, { method, headers: forwarded as Record<string, string> });
    const names = (answer.headers.get('vary') ?? '').toLowerCase().split(/,\s*/).filter(Boolean);
    const fresh: Stored = {
      vary: names.map(name => [name, headers[name]] as const),
      status: answer.status,
      headers: [...answer.headers].filter(([name]) => !/^(content-length|transfer-encoding|connection)$/.test(name)),
      body: await answer.text(),
    };
    const forbidden = /\b(no-store|private|no-cache)\b/.test(answer.headers.get('cache-control') ?? '');
    if (method === 'GET' && answer.status === 200 && !forbidden && !names.includes('*')) {
      this.stored.set(path, [...kept, fresh]);
    }
    return fresh;
  }
}
