import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type NestInterceptor,
  Req,
  SetMetadata,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { map } from 'rxjs';
import { SessionGuard, sessionOf } from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

const Role = (role: string) => SetMetadata('role', role);

/** A role guard as applications write it. */
@Injectable()
class RoleGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    return sessionOf(context)?.claims.role === this.reflector.get('role', context.getHandler());
  }
}

/** A logger that knows only the request. */
@Injectable()
class WhoInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<object>) {
    const request = context.switchToHttp().getRequest<object>();
    return next.handle().pipe(map(body => ({ ...body, who: sessionOf(request)?.userId ?? 'nobody' })));
  }
}

@Controller()
@UseInterceptors(WhoInterceptor)
class RolesController {
  @Get('admin')
  @Role('admin')
  @UseGuards(SessionGuard, RoleGuard)
  admin() {
    return {};
  }

  @Get('open')
  open() {
    return {};
  }

  @Get('request')
  @UseGuards(SessionGuard)
  request(@Req() request: { session?: unknown; user?: unknown }) {
    return { session: typeof request.session, user: typeof request.user, keys: Object.keys(request) };
  }
}

describe.each(PLATFORMS)('sessionOf on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [RolesController], providers: [RoleGuard] });
  });
  afterAll(() => test?.close());

  const get = async (path: string, headers: object = {}) => send(`${test.url}${path}`, { headers: { ...headers } });

  it('tells a role guard whose request it is', async () => {
    expect((await get('/admin', await signInAs(test.app, 'ada', { claims: { role: 'admin' } }))).status).toBe(200);
    expect((await get('/admin', await signInAs(test.app, 'grace', { claims: { role: 'user' } }))).status).toBe(403);
    expect((await get('/admin')).status).toBe(401);
  });

  it('tells an interceptor by the request alone, and undefined where no guard ran', async () => {
    const admin = await signInAs(test.app, 'ada', { claims: { role: 'admin' } });
    expect((await get('/admin', admin)).body.who).toBe('ada');
    expect((await get('/open', admin)).body.who).toBe('nobody');
  });

  it('finds it under a symbol: request.session and request.user stay free', async () => {
    const { body } = await get('/request', await signInAs(test.app, 'ada'));
    expect(body).toMatchObject({ session: 'undefined', user: 'undefined', who: 'ada' });
  });
});
