import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { catchError, type Observable } from 'rxjs';
import { SessionAuthenticator, SessionExchange, SessionStoreUnavailableError } from '../index.js';
import { isUnavailable } from '../common/database-errors.js';
import { TooManyAttemptsError } from './account.errors.js';

/**
 * Sets the headers of answers and refusals. They are set before the error is thrown on, so that any exception filter of
 * the application keeps them.
 */
@Injectable()
export class AccountHeadersInterceptor implements NestInterceptor {
  private readonly logger = new Logger('AccountModule');

  constructor(
    private readonly authenticator: SessionAuthenticator,
    private readonly host: HttpAdapterHost,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const exchange = SessionExchange.of(context);
    this.setHeader(exchange, 'Cache-Control', 'no-store');
    return next.handle().pipe(
      catchError((thrown: unknown) => {
        const error = this.translate(thrown);
        if (error instanceof TooManyAttemptsError) this.setHeader(exchange, 'Retry-After', String(error.retryAfter));
        this.authenticator.refuse(exchange, error);
        throw error;
      }),
    );
  }

  /** A database that does not answer gets the same refusal as in the session module. */
  private translate(error: unknown): unknown {
    if (!isUnavailable(error)) return error;
    this.logger.error(`the database cannot be reached: ${error instanceof Error ? error.message : String(error)}`);
    return new SessionStoreUnavailableError();
  }

  private setHeader({ response }: SessionExchange, name: string, value: string): void {
    this.host.httpAdapter.setHeader!(response, name, value);
  }
}
