import { Body, Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
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
}

@Controller()
export class AuthController {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionService,
  ) {}

  @Post('login')
  @HttpCode(200)
  async logIn(@Body() { username, password }: LoginDto, @Exchange() exchange: SessionExchange) {
    const { id, role } = await this.users.authenticate(username, password);
    const { session: _session, ...tokens } = await this.sessions.logIn(id, { exchange, claims: { username, role } });
    return { user: { id, username, role }, ...tokens };
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { id, userId, claims }: UserSession) {
    return { userId, username: claims.username, role: claims.role, sessionId: id };
  }
}
