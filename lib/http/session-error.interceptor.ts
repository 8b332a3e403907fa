import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { SessionError } from '../session.errors.js';
import { SessionExchange } from './exchange.js';
import { SessionAuthenticator } from './session-authenticator.js';

/**
 * Sets the headers of a `SessionError` that a handler throws (`WWW-Authenticate`, `Retry-After`, cleared cookies) and
 * emits the event `session.refused`. For routes of your own that call `SessionService`:
 * `@UseInterceptors(SessionErrorInterceptor)`. The guard and the library's own routes do this already.
 */
@Injectable()
export class SessionErrorInterceptor implements NestInterceptor {
  constructor(private readonly authenticator: SessionAuthenticator) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        if (error instanceof SessionError) this.authenticator.refuse(SessionExchange.of(context), error);
        throw error;
      }),
    );
  }
}
