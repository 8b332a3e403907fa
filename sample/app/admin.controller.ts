import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  HttpCode,
  Injectable,
  Param,
  Post,
  UseGuards,
} from '@nestjs/common';
import { SessionGuard, sessionOf, SessionService } from 'nestjs-jwt-session';

/** Lets in administrators, after `SessionGuard`. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return sessionOf(context)?.claims.role === 'admin';
  }
}

@Controller('admin')
@UseGuards(SessionGuard, AdminGuard)
export class AdminController {
  constructor(private readonly sessions: SessionService) {}

  @Post('users/:id/revoke')
  @HttpCode(204)
  async revoke(@Param('id') userId: string): Promise<void> {
    await this.sessions.logOutAll(userId, { reason: 'revoked-by-admin' });
  }
}
