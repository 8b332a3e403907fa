import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { serviceToken } from './settings.js';

/** Admits the services that may read what was revoked. */
@Injectable()
export class ServiceGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: IncomingHttpHeaders }>();
    const [given, expected] = [headers.authorization ?? '', `Bearer ${serviceToken}`].map(text => Buffer.from(text));
    return given!.length === expected!.length && timingSafeEqual(given!, expected!);
  }
}
