import { Controller, Get, type MessageEvent, Sse, UseGuards } from '@nestjs/common';
import { CurrentSession, SessionGuard, UserSession } from 'nestjs-jwt-session';
import type { Observable } from 'rxjs';
import { isDevelopment } from '../settings.js';
import { LiveView } from './live-view.service.js';

/** The live view's own data. */
@Controller('inside')
@UseGuards(SessionGuard)
export class InsideController {
  constructor(private readonly view: LiveView) {}

  /** What the page may offer to this user. */
  @Get('offer')
  offer(@CurrentSession() { id, claims }: UserSession) {
    return { sessionId: id, demonstration: isDevelopment, rotateKeys: isDevelopment && claims.role === 'admin' };
  }

  @Sse('events')
  events(@CurrentSession() session: UserSession): Observable<MessageEvent> {
    return this.view.watch(session);
  }
}
