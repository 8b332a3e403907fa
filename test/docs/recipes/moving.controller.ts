import { Controller, HttpCode, Post, Req, UnauthorizedException } from '@nestjs/common';
import { Exchange, Public, SessionExchange, SessionService } from 'nestjs-jwt-session';

export abstract class FormerSessions {
  /** Checks what the request brings as the former system does, revocation included; null for none. */
  abstract find(request: object): Promise<{ id: string; userId: string } | null>;
  abstract end(id: string): Promise<void>;
}

@Controller('session')
export class MovingController {
  constructor(
    private readonly former: FormerSessions,
    private readonly sessions: SessionService,
  ) {}

  @Post('move')
  @HttpCode(200)
  @Public()
  async move(@Req() request: object, @Exchange() exchange: SessionExchange) {
    const former = await this.former.find(request);
    if (!former) throw new UnauthorizedException();
    const tokens = await this.sessions.logIn(former.userId, { exchange });
    await this.former.end(former.id);
    return tokens;
  }
}
