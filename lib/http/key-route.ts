import { Logger } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { SessionError, SessionStoreUnavailableError } from '../session.errors.js';
import { type ExchangeRequest, SessionExchange } from './exchange.js';
import type { SessionHttp } from './session-http.js';

/** The answer of `POST /session/key`. */
export interface KeyAnswer {
  readonly status: 200 | 204 | 403;
  readonly body?: object;
}

/**
 * Where browsers register the keys of sessions, and prove them (DBSC). Put on the HTTP adapter itself, so that guards,
 * pipes and throttlers of the application leave it alone: an answer of another kind, such as 429, ends the session in the
 * browser.
 */
export class KeyRoute {
  private readonly logger = new Logger('SessionModule');

  /** @param answer refuses by throwing a `SessionError` */
  constructor(
    private readonly http: SessionHttp,
    private readonly host: HttpAdapterHost,
    private readonly answer: (exchange: SessionExchange) => Promise<KeyAnswer>,
  ) {}

  mount(): void {
    const { httpAdapter } = this.host ?? {};
    // Also where option "binding.key" is off: what was bound before goes on.
    if (!httpAdapter || !this.http.dbsc?.isPossible) return;
    httpAdapter.post(this.http.cookies.keyRoute, (request: ExchangeRequest, response: unknown) => {
      this.handle(new SessionExchange(request, response)).catch((error: unknown) => this.logger.error(error));
    });
  }

  private async handle(exchange: SessionExchange): Promise<void> {
    const { httpAdapter } = this.host;
    this.http.headers.set(exchange, 'Cache-Control', 'no-store');
    this.http.headers.set(exchange, 'Cross-Origin-Resource-Policy', 'same-origin');
    const { status, body } = await this.answer(exchange).catch((error: unknown) => this.refuse(error, exchange));
    // A time limit of the application may have answered meanwhile.
    if (httpAdapter.isHeadersSent(exchange.response)) return;
    if (body) this.http.headers.set(exchange, 'Content-Type', 'application/json; charset=utf-8');
    httpAdapter.reply(exchange.response, body ? JSON.stringify(body) : undefined, status);
  }

  private refuse(error: unknown, exchange: SessionExchange): { status: number; body: object } {
    if (!(error instanceof SessionError)) this.logger.error(error);
    // 503 keeps the session in the browser, as no other status does.
    const refusal = error instanceof SessionError ? error : new SessionStoreUnavailableError();
    // No cookie is cleared: it may be of another session of this browser.
    this.http.refuse(refusal, exchange);
    return { status: refusal.getStatus(), body: Object(refusal.getResponse()) as object };
  }
}
