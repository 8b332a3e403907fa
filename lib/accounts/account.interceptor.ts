import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { catchError, type Observable } from 'rxjs';
import { SessionAuthenticator, SessionExchange } from '../index.js';
import { TooManyAttemptsError } from './account.errors.js';

/** Sets the headers of answers and refusals: before an error is thrown, so that any filter of the application keeps them. */
@Injectable()
export class AccountHeadersInterceptor implements NestInterceptor {
  constructor(
    private readonly authenticator: SessionAuthenticator,
    private readonly host: HttpAdapterHost,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const exchange = SessionExchange.of(context);
    this.set(exchange, 'Cache-Control', 'no-store');
    return next.handle().pipe(
      catchError((error: unknown) => {
        if (error instanceof TooManyAttemptsError) this.set(exchange, 'Retry-After', String(error.retryAfter));
        else this.authenticator.refuse(exchange, error);
        throw error;
      }),
    );
  }

  private set({ response }: SessionExchange, name: string, value: string): void {
    this.host.httpAdapter.setHeader!(response, name, value);
  }
}
