import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Exchange, type LogInOptions, Public, SessionExchange, SessionService } from 'nestjs-jwt-session';

export type LogInWith = Omit<LogInOptions, 'exchange' | 'manager'> & { readonly userId: string };

/** Logs in with the options of the test, also under a global guard. */
@Controller('log-in-with')
export class LogInWithController {
  constructor(private readonly sessions: SessionService) {}

  @Post()
  @HttpCode(200)
  @Public()
  logIn(@Body() { userId, ...options }: LogInWith, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(userId, { exchange, ...options });
  }
}
