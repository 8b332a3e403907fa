import { type ArgumentsHost, Catch, Injectable } from '@nestjs/common';
import { ApplicationConfig, BaseExceptionFilter } from '@nestjs/core';
import { SessionStoreUnavailableError } from '../session.errors.js';
import { SessionExchange } from './exchange.js';
import { refusalHeaders } from './refusal-headers.js';
import { SessionHttp } from './session-http.js';

/**
 * Answers a `SessionStoreUnavailableError` as Nest does, with `Retry-After`, also where a route of the application has
 * no `SessionErrorInterceptor`. Exception filters of the application come first.
 */
@Catch(SessionStoreUnavailableError)
@Injectable()
export class RetryAfterFilter extends BaseExceptionFilter<SessionStoreUnavailableError> {
  constructor(
    private readonly http: SessionHttp,
    config: ApplicationConfig,
  ) {
    super();
    // Nest asks the first ones last. A provider of APP_FILTER would be asked before those of the application.
    config.getGlobalFilters().unshift(this);
  }

  override catch(error: SessionStoreUnavailableError, host: ArgumentsHost): void {
    // Microservices and GraphQL answer by themselves what a filter leaves.
    if (host.getType() !== 'http') return;
    const context = host.switchToHttp();
    const exchange = new SessionExchange(context.getRequest(), context.getResponse());
    for (const [name, value] of refusalHeaders(error)) this.http.headers.set(exchange, name, value);
    super.catch(error, host);
  }
}
