import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export const SERVICE_TOKEN = 'the-token-of-a-service';

/** Admits the services with the token. */
export class ServiceGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers.authorization === `Bearer ${SERVICE_TOKEN}`;
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Stands between services and the application whose revocations they read: counts, and answers in the ways of networks. */
export class RevocationsServer {
  /** The replies so far. */
  readonly replies: Reply[] = [];
  /** The paths with their queries. */
  readonly paths: string[] = [];
  /** Undefined loses the answer together with the connection. */
  answer?: (forward: () => Promise<Reply>) => Promise<Reply | undefined>;

  private constructor(
    private readonly server: Server,
    /** The applications, which take turns. */
    readonly targets: string[],
  ) {}

  static async inFrontOf(...apps: { readonly url: string }[]): Promise<RevocationsServer> {
    const server = createServer((incoming, outgoing) => {
      const forward = () => proxy.forward(incoming);
      (proxy.answer?.(forward) ?? forward()).then(
        reply => {
          if (!reply) return outgoing.destroy();
          proxy.replies.push(reply);
          outgoing.writeHead(reply.status, reply.headers).end(reply.body);
        },
        () => outgoing.destroy(),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new RevocationsServer(
      server,
      apps.map(({ url }) => url),
    );
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/session/revocations`;
  }

  get last(): Reply {
    return this.replies.at(-1)!;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async forward({ url: path, headers }: IncomingMessage): Promise<Reply> {
    this.paths.push(path!);
    const target = this.targets.shift()!;
    this.targets.push(target);
    const forwarded = request(new URL(path!, target), { headers, agent: false }).end();
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    const { statusCode, headers: answered } = answer;
    return { status: statusCode!, headers: { ...answered, connection: 'close' }, body: await buffer(answer) };
  }
}
