import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type ExecutionContext, Get, Injectable, NotFoundException, Req, UseGuards } from '@nestjs/common';
import { CurrentSession, SessionError, SessionExchange, SessionGuard, UserSession } from 'nestjs-jwt-session';
import { CookieClient, send } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** For code that came from Passport. */
@Injectable()
class PassportLikeGuard extends SessionGuard {
  protected override attach(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext) {
    super.attach(exchange, session, context);
    Object.assign(exchange.request, { user: session && { id: session.userId, route: context.getHandler().name } });
  }
}

/** Hides that there is something. */
@Injectable()
class HidingGuard extends SessionGuard {
  protected override refuse(error: unknown, context: ExecutionContext): never {
    if (error instanceof SessionError) throw new NotFoundException(`no ${context.getClass().name} here`);
    throw error;
  }
}

/** Takes the token from a header of its own. */
@Injectable()
class HeaderGuard extends SessionGuard {
  protected override getExchange(context: ExecutionContext): SessionExchange {
    const { request, response } = super.getExchange(context);
    request.headers.authorization = `Bearer ${String(request.headers['x-token'])}`;
    return new SessionExchange(request, response);
  }
}

@Controller()
class OwnGuardsController {
  @Get('user')
  @UseGuards(PassportLikeGuard)
  user(@Req() request: { user: object }, @CurrentSession() session: UserSession) {
    return { user: request.user, userId: session.userId };
  }

  @Get('hidden')
  @UseGuards(HidingGuard)
  hidden() {
    return {};
  }

  @Get('header')
  @UseGuards(HeaderGuard)
  header(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

describe.each(PLATFORMS)('a subclass of SessionGuard on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [OwnGuardsController] });
  });
  afterAll(() => test?.close());

  it('may set request.user in attach', async () => {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    expect((await client.send('/user')).body).toEqual({ user: { id: 'ada', route: 'user' }, userId: 'ada' });
  });

  it('may turn a refusal into another exception, and the headers of the refusal are set all the same', async () => {
    const client = new CookieClient(test.url);
    const login = await client.logIn('ada');
    expect((await client.send('/hidden')).status).toBe(200);
    await test.sessions.logOut((login.body.session as { id: string }).id);
    const hidden = await client.send('/hidden');
    expect(hidden.status).toBe(404);
    expect(hidden.body.message).toBe('no OwnGuardsController here');
    expect(client.jar.size).toBe(0);
  });

  it('may find the credentials elsewhere', async () => {
    const { accessToken } = await test.sessions.logIn('grace', { transport: 'bearer' });
    const header = await send(`${test.url}/header`, { headers: { 'x-token': accessToken! } });
    expect(header.body).toEqual({ userId: 'grace' });
    expect((await send(`${test.url}/header`, { headers: { 'x-token': 'junk' } })).status).toBe(401);
  });
});
