import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable } from 'rxjs';
import { SessionAuthenticator } from './session-authenticator.js';
import { SessionExchange } from './exchange.js';

/** Sets the headers of a refusal that happens in a handler, such as `Retry-After` when the database is gone. */
@Injectable()
export class RefusalInterceptor implements NestInterceptor {
  constructor(private readonly authenticator: SessionAuthenticator) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        this.authenticator.refuse(SessionExchange.of(context), error);
        throw error;
      }),
    );
  }
}
