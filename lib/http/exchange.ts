import type { ExecutionContext } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';

/** What the library reads of a request; Express's, Fastify's, Node's own and a WebSocket handshake have it. */
export interface ExchangeRequest {
  readonly headers: IncomingHttpHeaders;
  readonly method?: string;
  readonly url?: string;
  /** The URL before routers removed their prefix. */
  readonly originalUrl?: string;
  readonly body?: unknown;
  /** `https`, also where the platform's trusted-proxy setting says so. */
  readonly protocol?: string;
  /** The client's address, as the platform's trusted-proxy setting determines it. */
  readonly ip?: string;
  /** The same in a socket.io handshake. */
  readonly address?: string;
  /** Whether a socket.io handshake came over TLS. */
  readonly secure?: boolean;
  readonly socket?: {
    readonly encrypted?: boolean;
    readonly remoteAddress?: string;
    readonly destroyed?: boolean;
    readonly readableEnded?: boolean;
  };
}

/**
 * A request and its response on any platform, `@Exchange()` in a handler. Where the transport has no response, as in a
 * WebSocket gateway, headers that would be set are left out.
 */
export class SessionExchange {
  // Private, so that what copies or prints an exchange does not follow them into the sockets of the server.
  readonly #request: ExchangeRequest;
  readonly #response: unknown;
  #cookies?: string;

  constructor(request: ExchangeRequest, response?: unknown) {
    this.#request = request;
    this.#response = response;
  }

  get request(): ExchangeRequest {
    return this.#request;
  }

  get response(): unknown {
    return this.#response;
  }

  /** The exchange of an HTTP, GraphQL or socket.io context. */
  static of(context: ExecutionContext): SessionExchange {
    switch (context.getType<string>()) {
      case 'http': {
        const http = context.switchToHttp();
        return new SessionExchange(http.getRequest<ExchangeRequest>(), http.getResponse<unknown>());
      }
      case 'graphql': {
        const { req, res } = context.getArgByIndex<GraphqlContext>(2);
        // A subscription's context has the upgrade request behind `extra`.
        return new SessionExchange(req.extra?.request ?? req, res ?? req.res);
      }
      case 'ws': {
        const { handshake } = context.switchToWs().getClient<{ handshake?: ExchangeRequest }>();
        if (handshake) return new SessionExchange(handshake);
      }
    }
    throw new Error(
      `SessionGuard finds no request in a "${context.getType<string>()}" context: extend it and override getExchange(context)`,
    );
  }

  /** Whether the client has closed the connection: it no longer waits for a response. */
  get isAborted(): boolean {
    const { socket } = this.request;
    return socket?.destroyed === true || socket?.readableEnded === true;
  }

  /** The path of the request as the client sent it. */
  get path(): string {
    return (this.request.originalUrl ?? this.request.url ?? '/').split('?', 1)[0]!;
  }

  /** A request header; repeated ones are joined, so that conflicting values equal none that is expected. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The header `Cookie`. Several cookies are looked for in it, so that it is read once. */
  get cookies(): string | undefined {
    return (this.#cookies ??= this.header('cookie'));
  }

  /** A member of the parsed JSON body. No pipe of the application has changed it. */
  bodyMember(name: string): unknown {
    const { body } = this.request;
    return typeof body === 'object' && body !== null && Object.hasOwn(body, name)
      ? (body as Record<string, unknown>)[name]
      : undefined;
  }
}

interface GraphqlContext {
  readonly req: ExchangeRequest & { readonly res?: unknown; readonly extra?: { readonly request?: ExchangeRequest } };
  readonly res?: unknown;
}
