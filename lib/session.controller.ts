import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { AcceptsEmptyBodies } from './common/empty-bodies.js';
import { Public } from './http/access.decorators.js';
import { CurrentSession } from './http/current-session.decorator.js';
import { Exchange } from './http/exchange.decorator.js';
import { SessionErrorInterceptor } from './http/session-error.interceptor.js';
import { SESSION_PATH } from './options/static-options.js';
import { SESSION_CONTROLLER } from './session.constants.js';
import { SessionNotFoundError } from './session.errors.js';
import { SessionGuard } from './session.guard.js';
import { SessionService } from './session.service.js';
import { UserSession } from './session.types.js';
import { SessionExchange } from './http/exchange.js';
import { DeviceResponse, EndedResponse, RefreshResponse, SessionResponse } from './http/responses.js';
import { REFUSALS, SessionRoute } from './http/session-routes.js';

/**
 * Refresh, log-out and the list of devices. Mounted by the module under `session`; for another path, Swagger, extra
 * guards or versions set `controller: false` and extend it: `@Controller('auth') class Mine extends SessionController
 * {}`.
 *
 * Bodies are read without a DTO, so that an application's strict `ValidationPipe` does not refuse them.
 */
@Controller({ path: SESSION_PATH, version: VERSION_NEUTRAL })
@SetMetadata(SESSION_CONTROLLER, true)
@AcceptsEmptyBodies()
export class SessionController {
  constructor(protected readonly sessions: SessionService) {}

  /**
   * `expiresIn` counts the seconds of the access token, `expiresAt` is the end of the session. The answer has the tokens only where the refresh token came in the body: no script can lift them from a cookie.
   */
  @SessionRoute({
    summary: 'Refresh: a new access token, and a new refresh token where it rotates',
    body: {
      refreshToken: { type: 'string', description: 'In place of the cookie' },
      accessToken: { type: 'string', description: 'The last one, expired or not, beside the refresh token' },
    },
    required: [],
    status: 200,
    answer: RefreshResponse,
    refusals: REFUSALS.refresh,
  })
  @Post('refresh')
  @HttpCode(200)
  @Public()
  async refresh(@Exchange() exchange: SessionExchange): Promise<RefreshResponse> {
    const { session, ...tokens } = await this.sessions.refresh(exchange);
    return { ...tokens, expiresAt: session.expiresAt };
  }

  /** Also 204 when there is no session to end: the answer does not disclose whether there was one. */
  @SessionRoute({
    summary: 'Log out: end this session',
    body: { refreshToken: { type: 'string', description: 'In place of the cookie' } },
    required: [],
    status: 204,
    refusals: REFUSALS.logOut,
    secured: true,
  })
  @Post('logout')
  @HttpCode(204)
  @Public()
  async logOut(@Exchange() exchange: SessionExchange): Promise<void> {
    await this.sessions.logOut(exchange);
  }

  @SessionRoute({
    summary: "End the user's other sessions",
    status: 200,
    answer: EndedResponse,
    refusals: REFUSALS.write,
    secured: true,
  })
  @Post('logout-others')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async logOutOthers(@CurrentSession() session: UserSession): Promise<EndedResponse> {
    this.sessions.requireRecentLogin(session);
    return { ended: await this.sessions.logOutOthers(session) };
  }

  @SessionRoute({
    summary: "End all of the user's sessions",
    status: 200,
    answer: EndedResponse,
    refusals: REFUSALS.write,
    secured: true,
  })
  @Post('logout-all')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async logOutAll(
    @CurrentSession() session: UserSession,
    @Exchange() exchange: SessionExchange,
  ): Promise<EndedResponse> {
    this.sessions.requireRecentLogin(session);
    return { ended: await this.sessions.logOutAll(session.userId, { exchange }) };
  }

  @SessionRoute({
    summary: 'This session',
    status: 200,
    answer: SessionResponse,
    refusals: REFUSALS.read,
    secured: true,
  })
  @Get()
  @UseGuards(SessionGuard)
  current(@CurrentSession() session: UserSession): SessionResponse {
    const { id, userId, claims, createdAt, expiresAt, boundBy, actor } = session;
    return { id, userId, claims, createdAt, expiresAt, boundBy, actor };
  }

  @SessionRoute({
    summary: "The user's live sessions, the most recently seen first",
    status: 200,
    answer: [DeviceResponse],
    refusals: REFUSALS.read,
    secured: true,
  })
  @Get('devices')
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async devices(@CurrentSession() session: UserSession): Promise<DeviceResponse[]> {
    const devices = await this.sessions.list(session.userId);
    return devices.map(({ id, label, ip, createdAt, lastSeenAt, boundBy }) => ({
      id,
      label,
      ip,
      createdAt,
      lastSeenAt,
      boundBy,
      current: id === session.id,
    }));
  }

  @SessionRoute({
    summary: "End one of the user's sessions",
    status: 204,
    refusals: { ...REFUSALS.write, 404: ['session_not_found'] },
    secured: true,
  })
  @Delete('devices/:id')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @UseInterceptors(SessionErrorInterceptor)
  async endDevice(
    @CurrentSession() session: UserSession,
    @Exchange() exchange: SessionExchange,
    @Param('id') id: string,
  ): Promise<void> {
    if (id !== session.id) this.sessions.requireRecentLogin(session);
    // One statement that ends the session only if it is the caller's: a foreign id looks like an unknown one.
    const ended = await this.sessions.logOut(id, {
      userId: session.userId,
      exchange: id === session.id ? exchange : undefined,
    });
    if (!ended) throw new SessionNotFoundError();
  }
}
