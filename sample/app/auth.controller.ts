import { Body, Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';
import {
  CurrentSession,
  Exchange,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { UsersService } from './users.service.js';

class LoginDto {
  @IsString()
  @MaxLength(100)
  username!: string;

  @IsString()
  @MaxLength(100)
  password!: string;

  /** `false` is for cookies that end with the browser. */
  @IsOptional()
  @IsBoolean()
  remember?: boolean;
}

@Controller()
export class AuthController {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionService,
  ) {}

  @Post('login')
  @HttpCode(200)
  async logIn(@Body() { username, password, remember }: LoginDto, @Exchange() exchange: SessionExchange) {
    const { id, role } = await this.users.authenticate(username, password);
    const claims = { username, role };
    const { session: _session, ...tokens } = await this.sessions.logIn(id, { exchange, claims, remember });
    return { user: { id, username, role }, ...tokens };
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { id, userId, claims, actor }: UserSession) {
    return { userId, username: claims.username, role: claims.role, sessionId: id, actor };
  }

  @Post('impersonation/end')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  async endImpersonation(@Exchange() exchange: SessionExchange) {
    const { session: _session, ...tokens } = await this.sessions.endImpersonation(exchange);
    return tokens;
  }
}
