import { Get, Inject, Injectable, Res, StreamableFile, type Type, UseGuards, UseInterceptors } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { mountedAt } from '../common/mounted-at.js';
import { SESSION_PATH } from '../options/static-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import { PublishedRevocations } from '../revocation/published-revocations.js';
import { NONCE_HEADER, type PageCursor, PROOF_HEADER, readCursor } from '../revocation/revocation-page.js';
import { InvalidRequestError } from '../session.errors.js';
import { Public } from './access.decorators.js';
import { CallerGuard } from './caller-guard.js';
import { Exchange } from './exchange.decorator.js';
import { SessionExchange } from './exchange.js';
import { RevocationsResponse } from './responses.js';
import { SessionErrorInterceptor } from './session-error.interceptor.js';
import { SessionHttp } from './session-http.js';
import { REFUSALS, SessionRoute } from './session-routes.js';

const compress = promisify(gzip);

/** Smaller pages fit into one packet anyway. */
const MIN_COMPRESSED_LENGTH = 1_000;

/** One of each process that has answered a service. */
const MAX_CURSORS = 64;
const NONCE = /^[\w-]{16,64}$/;

@Injectable()
class RevocationCallers extends CallerGuard {
  protected readonly option = 'revocations';
}

/**
 * Tells other services what was revoked, so that they refuse it without a request per token. A page is written from
 * memory. Mounted only if option `revocations` names a guard that decides who may read it.
 */
@UseGuards(RevocationCallers)
@UseInterceptors(SessionErrorInterceptor)
export class RevocationsController {
  constructor(
    @Inject(PublishedRevocations) private readonly revocations: PublishedRevocations,
    @Inject(SessionHttp) private readonly http: SessionHttp,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /**
   * Takes the cursors of former pages as `after`, separated by commas, and a nonce as header `Session-Nonce`. The header
   * `Session-Proof` of the answer signs nonce and page, for an unchanged page (304) as well.
   */
  @SessionRoute({
    summary: 'What was revoked, for services that verify access tokens without the database',
    status: 200,
    answer: RevocationsResponse,
    refusals: REFUSALS.revocations,
  })
  @Get()
  @Public()
  async read(@Exchange() exchange: SessionExchange, @Res() response: unknown): Promise<void> {
    const nonce = exchange.header(NONCE_HEADER);
    if (nonce === undefined || !NONCE.test(nonce)) {
      throw new InvalidRequestError('Send 16 to 64 random characters of base64url as header Session-Nonce');
    }
    const { text, digest } = this.revocations.page(cursorsOf(exchange));
    const { headers } = this.http;
    const tag = `W/"${digest}"`;
    headers.set(exchange, 'ETag', tag);
    headers.set(exchange, PROOF_HEADER, this.revocations.proof(nonce, digest));
    // The proof answers one request.
    headers.set(exchange, 'Cache-Control', 'private, no-cache');
    headers.vary(exchange, 'Accept-Encoding');
    if (matches(exchange.header('if-none-match'), tag)) return this.host.httpAdapter.reply(response, undefined, 304);
    const plain = Buffer.from(text);
    const isCompressed = plain.length >= MIN_COMPRESSED_LENGTH && acceptsGzip(exchange.header('accept-encoding'));
    if (isCompressed) headers.set(exchange, 'Content-Encoding', 'gzip');
    const body = isCompressed ? await compress(plain) : plain;
    const file = new StreamableFile(body, { type: 'application/json; charset=utf-8', length: body.length });
    this.host.httpAdapter.reply(response, file, 200);
  }
}

/** The controller at the path of option `revocations`. */
export function revocationsAt({ revocations, controller }: SessionModuleExtras): Type<RevocationsController>[] {
  if (!revocations) return [];
  const path = revocations.path ?? `${controller ? controller.path : SESSION_PATH}/revocations`;
  return [mountedAt(RevocationsController, path)];
}

/** @throws InvalidRequestError */
function cursorsOf({ request }: SessionExchange): PageCursor[] {
  const after = new URLSearchParams(request.url?.split('?', 2)[1]).get('after');
  const texts = after === null || after === '' ? [] : after.split(',', MAX_CURSORS + 1);
  const cursors = texts.map(readCursor).filter(cursor => cursor !== undefined);
  if (texts.length > MAX_CURSORS || cursors.length < texts.length) {
    throw new InvalidRequestError(
      `Send the cursors of former answers as "after", at most ${MAX_CURSORS}, separated by commas`,
    );
  }
  return cursors;
}

/** Weak comparison (RFC 9110, section 13.1.2): another middleware may have made the tag a strong one. */
function matches(header: string | undefined, tag: string): boolean {
  return header?.split(',').some(sent => opaqueTag(sent) === opaqueTag(tag)) ?? false;
}

function opaqueTag(tag: string): string {
  return tag.trim().replace(/^W\//, '');
}

/** Whether the client accepts gzip (RFC 9110, section 12.5.3). */
function acceptsGzip(header = ''): boolean {
  return header.split(',').some(coding => {
    const [name, weight = 'q=1'] = coding.split(';').map(part => part.trim().toLowerCase());
    return (name === 'gzip' || name === '*') && !/^q=0(\.0*)?$/.test(weight);
  });
}
