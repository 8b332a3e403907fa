import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { IsString, MaxLength, MinLength } from 'class-validator';
import {
  CurrentSession,
  Exchange,
  NotWhileImpersonating,
  RequireRecentLogin,
  SessionExchange,
  SessionGuard,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { DataSource } from 'typeorm';
import { UsersService } from './users.service.js';

class ReauthenticationDto {
  @IsString()
  @MaxLength(100)
  password!: string;
}

class PasswordDto {
  @IsString()
  @MaxLength(100)
  current!: string;

  @IsString()
  @MinLength(8)
  @MaxLength(100)
  next!: string;
}

@Controller('account')
@UseGuards(SessionGuard)
export class AccountController {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionService,
    private readonly dataSource: DataSource,
  ) {}

  /** Renews a login that is too old for what the user wants to do. The session keeps its lifetimes. */
  @Post('reauthenticate')
  @HttpCode(200)
  async reauthenticate(
    @CurrentSession() session: UserSession,
    @Body() { password }: ReauthenticationDto,
    @Exchange() exchange: SessionExchange,
  ) {
    await this.users.requirePassword(session.userId, password);
    const { session: _session, ...tokens } = await this.sessions.reauthenticate(session, { exchange });
    return tokens;
  }

  /** A person at an open browser must prove that they are the user: the route asks for the current password. */
  @Post('password')
  @HttpCode(204)
  @NotWhileImpersonating()
  @RequireRecentLogin('15m')
  async changePassword(@CurrentSession() session: UserSession, @Body() { current, next }: PasswordDto): Promise<void> {
    await this.users.requirePassword(session.userId, current);
    // "Password changed" and "others logged out" commit together.
    await this.dataSource.transaction(async manager => {
      await this.users.changePassword(session.userId, next, manager);
      await this.sessions.logOutOthers(session, { manager, reason: 'password-changed' });
    });
  }
}
