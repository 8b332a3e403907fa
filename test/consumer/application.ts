// An application as its authors would write it, which has the packed package and nothing of this repository.
import 'reflect-metadata';
import { Body, Controller, Get, HttpCode, Module, Post, UseGuards, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentSession,
  Exchange,
  SESSION_MIGRATIONS,
  SessionExchange,
  SessionGuard,
  SessionModule,
  type SessionModuleOptions,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';

declare module 'nestjs-jwt-session' {
  interface SessionClaims {
    role: 'admin' | 'user';
  }
}

@Controller()
export class AuthController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  @HttpCode(200)
  logIn(@Body() body: { userId: string }, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(body.userId, { exchange, claims: { role: 'admin' } });
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: UserSession) {
    const role: 'admin' | 'user' = session.claims.role;
    return { userId: session.userId, role };
  }
}

/** The application's module on a database. */
export function applicationOn(url: string, options: SessionModuleOptions = {}): Type {
  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        autoLoadEntities: true,
        migrations: [...SESSION_MIGRATIONS],
        migrationsRun: true,
      }),
      SessionModule.forRoot({ secret: 'consumer-secret-of-more-than-32-bytes', ...options }),
    ],
    controllers: [AuthController],
  })
  class AppModule {}
  return AppModule;
}
