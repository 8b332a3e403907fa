import {
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { Public } from './http/access.decorators.js';
import { CurrentSession } from './http/current-session.decorator.js';
import { Exchange } from './http/exchange.decorator.js';
import { SessionErrorInterceptor } from './http/session-error.interceptor.js';
import { SESSION_PATH } from './options/static-options.js';
import { SESSION_CONTROLLER } from './session.constants.js';
import { SessionGuard } from './session.guard.js';
import { SessionService } from './session.service.js';
import { UserSession } from './session.types.js';
import { SessionExchange } from './http/exchange.js';

/**
 * Refresh, log-out and the list of devices. Mounted by the module under `session`; for another path, Swagger, extra
 * guards or versions set `controller: false` and extend it: `@Controller('auth') class Mine extends SessionController {}`.
 *
 * Bodies are read without a DTO, so that an application's strict `ValidationPipe` does not refuse them.
 */
@Controller({ path: SESSION_PATH, version: VERSION_NEUTRAL })
@SetMetadata(SESSION_CONTROLLER, true)
export class SessionController {
  constructor(protected readonly sessions: SessionService) {}

  /**
   * `expiresIn` counts the seconds of the access token, `expiresAt` is the end of the session. The answer has the tokens only where the refresh token came in the body: no script can lift them from a cookie.
   */
  @Post('refresh')
  @HttpCode(200)
  @Public()
  async refresh(@Exchange() exchange: SessionExchange) {
    const { session, ...tokens } = await this.sessions.refresh(exchange);
    return { ...tokens, expiresAt: session.expiresAt };
  }

  /** Also 204 when there is no session to end: the answer tells nobody whether there was one. */
  @Post('logout')
  @HttpCode(204)
  @Public()
  async logOut(@Exchange() exchange: SessionExchange): Promise<void> {
    await this.sessions.logOut(exchange);
  }

  @Post('logout-others')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async logOutOthers(@CurrentSession() session: UserSession) {
    return { ended: await this.sessions.logOutOthers(session) };
  }

  @Post('logout-all')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async logOutAll(@CurrentSession() session: UserSession, @Exchange() exchange: SessionExchange) {
    return { ended: await this.sessions.logOutAll(session.userId, { exchange }) };
  }

  @Get()
  @UseGuards(SessionGuard)
  current(@CurrentSession() session: UserSession) {
    const { id, userId, claims, createdAt, expiresAt } = session;
    return { id, userId, claims, createdAt, expiresAt };
  }

  @Get('devices')
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async devices(@CurrentSession() session: UserSession) {
    const devices = await this.sessions.list(session.userId);
    return devices.map(({ id, label, ip, createdAt, lastSeenAt }) => ({
      id,
      label,
      ip,
      createdAt,
      lastSeenAt,
      current: id === session.id,
    }));
  }

  @Delete('devices/:id')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async endDevice(
    @CurrentSession() session: UserSession,
    @Exchange() exchange: SessionExchange,
    @Param('id') id: string,
  ): Promise<void> {
    // One statement that ends the session only if it is the caller's: a foreign id looks like an unknown one.
    const ended = await this.sessions.logOut(id, {
      userId: session.userId,
      exchange: id === session.id ? exchange : undefined,
    });
    if (!ended) throw new NotFoundException('You have no session of that id');
  }
}
