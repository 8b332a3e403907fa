import { BadRequestException, Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { IsBoolean, IsOptional, IsUUID } from 'class-validator';
import { Exchange, Public, SessionExchange, SessionGuard, SessionService } from 'nestjs-jwt-session';
import { AdminGuard } from '../admin.controller.js';
import { SecondClients } from './second-clients.service.js';

class ClientDto {
  @IsUUID()
  client!: string;
}

class RotationDto {
  @IsOptional()
  @IsBoolean()
  distrust?: boolean;
}

/**
 * What the live view's buttons do. In development only. The routes lie below `/session`, because browsers send the
 * refresh cookie nowhere else, and no script can read it.
 */
@Controller('session/demonstration')
@UseGuards(SessionGuard)
export class DemonstrationController {
  constructor(
    private readonly sessions: SessionService,
    private readonly clients: SecondClients,
    private readonly host: HttpAdapterHost,
  ) {}

  /** Refreshes, and the answer never arrives: what a network does that breaks at the wrong moment. */
  @Post('lost-response')
  @HttpCode(204)
  async loseResponse(@Exchange() exchange: SessionExchange): Promise<void> {
    const { ip } = exchange.request;
    await this.sessions.refresh({
      refreshToken: refreshCookie(exchange),
      ip: ip?.replace('::ffff:', ''),
      userAgent: exchange.header('user-agent'),
    });
  }

  /** A second client comes by a copy of the caller's refresh token. */
  @Post('second-client')
  open(@Exchange() exchange: SessionExchange) {
    return { client: this.clients.open(refreshCookie(exchange)) };
  }

  /** Public, because the second client has no cookies, and goes on when the caller's session has ended. */
  @Post('second-client/act')
  @HttpCode(200)
  @Public()
  async act(@Body() { client }: ClientDto) {
    return { outcome: await this.clients.act(client) };
  }

  /** A second client comes by copies of all the caller's cookies. */
  @Post('copied-cookies')
  @HttpCode(200)
  tryCopy(@Exchange() exchange: SessionExchange) {
    const accessToken = cookieOf(exchange, 'access_token');
    if (accessToken === undefined) throw new BadRequestException('This demonstration needs a session by cookies');
    return this.clients.tryCopy(accessToken, cookieOf(exchange, 'refresh_token'));
  }

  /** Drops the access cookie: a browser that has bound the session proves its key before the next request. */
  @Post('drop-access')
  @HttpCode(204)
  dropAccess(@Exchange() exchange: SessionExchange): void {
    const cookies = exchange.header('cookie') ?? '';
    // The second one tells the browser that the first one is there.
    for (const [, name] of cookies.matchAll(/(?:^|;\s*)((?:__[\w-]+-)?access_token|__Host-session_bound)=/g)) {
      const secure = name!.startsWith('__') ? '; Secure' : '';
      const expired = `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${secure}`;
      this.host.httpAdapter.appendHeader(exchange.response, 'Set-Cookie', expired);
    }
  }

  @Post('rotate-keys')
  @HttpCode(204)
  @UseGuards(AdminGuard)
  async rotateKeys(@Body() { distrust }: RotationDto): Promise<void> {
    await this.sessions.rotateKeys({ distrust });
  }
}

function refreshCookie(exchange: SessionExchange): string {
  const token = cookieOf(exchange, 'refresh_token');
  if (token === undefined) {
    throw new BadRequestException('There is no refresh token: the session is bound to a key, or not kept in cookies');
  }
  return token;
}

/** With any prefix that the name may have. */
function cookieOf(exchange: SessionExchange, name: string): string | undefined {
  return new RegExp(`(?:^|;\\s*)(?:__[\\w-]+-)?${name}=([^;]+)`).exec(exchange.header('cookie') ?? '')?.[1];
}
