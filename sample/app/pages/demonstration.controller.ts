import { BadRequestException, Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
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

  @Post('rotate-keys')
  @HttpCode(204)
  @UseGuards(AdminGuard)
  async rotateKeys(@Body() { distrust }: RotationDto): Promise<void> {
    await this.sessions.rotateKeys({ distrust });
  }
}

function refreshCookie(exchange: SessionExchange): string {
  const token = /(?:^|;\s*)(?:__Secure-)?refresh_token=([^;]+)/.exec(exchange.header('cookie') ?? '')?.[1];
  if (token === undefined) throw new BadRequestException('This demonstration needs a session by cookies');
  return token;
}
