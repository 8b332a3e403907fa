import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpCode,
  Injectable,
  Param,
  ParseUUIDPipe,
  Post,
  UseGuards,
} from '@nestjs/common';
import { IsString, Length } from 'class-validator';
import {
  CurrentSession,
  Exchange,
  SessionExchange,
  SessionGuard,
  sessionOf,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { UsersService } from './users.service.js';

/** Lets in administrators, after `SessionGuard`. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return sessionOf(context)?.claims.role === 'admin';
  }
}

class ImpersonationDto {
  /** Kept with the session and told in its event. */
  @IsString()
  @Length(1, 100)
  reason!: string;
}

@Controller('admin')
@UseGuards(SessionGuard, AdminGuard)
export class AdminController {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionService,
  ) {}

  @Get('users')
  list() {
    return this.users.list();
  }

  @Post('users/:id/revoke')
  @HttpCode(204)
  async revoke(@Param('id') userId: string): Promise<void> {
    await this.sessions.logOutAll(userId, { reason: 'revoked-by-admin' });
  }

  /** `POST /impersonation/end` ends it: as the other user the caller is no administrator. */
  @Post('users/:id/impersonate')
  @HttpCode(200)
  async impersonate(
    @CurrentSession() session: UserSession,
    @Param('id', ParseUUIDPipe) userId: string,
    @Body() { reason }: ImpersonationDto,
    @Exchange() exchange: SessionExchange,
  ) {
    const { username, role } = await this.users.get(userId);
    // The audit log would name the wrong one of two administrators.
    if (role === 'admin') throw new ForbiddenException('Nobody acts as an administrator');
    const options = { exchange, reason, lifetime: '15m', claims: { username, role } } as const;
    const { session: _session, ...tokens } = await this.sessions.impersonate(session, userId, options);
    return tokens;
  }
}
