import { Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import {
  CurrentSession,
  OptionalSession,
  RequireRecentLogin,
  SessionGuard,
  UserSession,
} from 'nestjs-jwt-session/verifier';

/** What another service might do for users whom it has never seen. */
@Controller()
@UseGuards(SessionGuard)
export class WeatherController {
  @Get('whoami')
  whoAmI(@CurrentSession() session: UserSession) {
    return { userId: session.userId, role: session.claims.role, sessionId: session.id };
  }

  @Get('weather')
  @OptionalSession()
  weather(@CurrentSession() session?: UserSession) {
    return { forecast: 'sunny', for: session ? session.claims.username : 'everybody' };
  }

  @Post('umbrella')
  @HttpCode(200)
  @RequireRecentLogin('5m')
  order(@CurrentSession() session: UserSession) {
    return { orderedBy: session.userId };
  }
}
