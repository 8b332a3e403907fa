import type { HttpServer } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

// Metadata keys of @nestjs/platform-fastify and @nestjs/common, whose modules of constants have no stable import path.
const ROUTE_CONFIG = '__fastify_route_config__';
const PATH = 'path';

const JSON_TYPE = /^application\/json\b/i;

const ACCEPTS_EMPTY_BODIES = Symbol('accepts empty bodies');

interface FastifyRequest {
  readonly raw: IncomingMessage & { readonly stream?: { readonly endAfterHeaders?: boolean } };
  readonly routeOptions: { readonly config: { readonly [ACCEPTS_EMPTY_BODIES]?: boolean } };
}

interface Fastify {
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: unknown, done: () => void) => void): void;
  addHook(
    name: 'preParsing',
    hook: (
      request: FastifyRequest,
      reply: unknown,
      body: Readable,
      done: (error: null, body: Readable) => void,
    ) => void,
  ): void;
}

/** Lets clients call the routes of the library's controllers without a body, with any `Content-Type`. */
export function AcceptsEmptyBodies(): ClassDecorator {
  return ({ prototype }) => {
    for (const { value } of Object.values(Object.getOwnPropertyDescriptors(prototype))) {
      if (typeof value !== 'function' || !Reflect.hasMetadata(PATH, value)) continue;
      Reflect.defineMetadata(ROUTE_CONFIG, { [ACCEPTS_EMPTY_BODIES]: true }, value);
    }
  };
}

/**
 * Fastify's parser of JSON refuses an empty body before the handler runs, so that a log-out would not happen. Express
 * treats it as no body, or as `{}` where only reading it shows that it is empty. The same is done here, on these routes
 * only.
 */
export function acceptEmptyBodies(adapter: HttpServer | undefined): void {
  if (adapter?.getType() !== 'fastify') return;
  const fastify = adapter.getInstance() as Fastify;
  fastify.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
    if (routeOptions.config[ACCEPTS_EMPTY_BODIES] && hasNoBody(raw)) delete raw.headers['content-type'];
    done();
  });
  fastify.addHook('preParsing', ({ raw, routeOptions }, _reply, body, done) => {
    const isChunkedJson =
      raw.headers['content-length'] === undefined && JSON_TYPE.test(raw.headers['content-type'] ?? '');
    const replaces = routeOptions.config[ACCEPTS_EMPTY_BODIES] && isChunkedJson;
    done(null, replaces ? Readable.from(orEmptyObject(body), { objectMode: false }) : body);
  });
}

/** RFC 9112, section 6.3; in HTTP/2 only the stream tells. */
function hasNoBody({ headers, httpVersionMajor, stream }: FastifyRequest['raw']): boolean {
  if (headers['transfer-encoding'] !== undefined) return false;
  const length = headers['content-length'];
  return length === '0' || (length === undefined && (httpVersionMajor < 2 || stream?.endAfterHeaders === true));
}

async function* orEmptyObject(body: Readable): AsyncGenerator<Uint8Array> {
  let isEmpty = true;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    isEmpty = false;
    yield chunk;
  }
  if (isEmpty) yield Buffer.from('{}');
}
