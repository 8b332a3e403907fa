import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { map } from 'rxjs';
import { io, type Socket } from 'socket.io-client';
import { CurrentSession, Public, SessionError, SessionGuard, sessionOf, UserSession } from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/**
 * The guard itself works on socket.io: it reads the headers of the handshake. Nest tells a client only of a
 * `WsException`, so that a gateway whose clients are to know why they are refused needs these five lines.
 */
@Injectable()
class WsSessionGuard extends SessionGuard {
  protected override refuse(error: unknown, _context: ExecutionContext): never {
    throw error instanceof SessionError ? new WsException(error.getResponse()) : error;
  }
}

/** Sees the session of the message, if a guard has found one. */
@Injectable()
class WhoInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler<{ data: string }>) {
    return next.handle().pipe(map(answer => ({ ...answer, data: sessionOf(context)?.userId ?? answer.data })));
  }
}

@WebSocketGateway()
class PlainGateway {
  @SubscribeMessage('plain')
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: UserSession) {
    return { event: 'answer', data: session.userId };
  }

  @SubscribeMessage('told')
  @UseGuards(WsSessionGuard)
  told(@CurrentSession() session: UserSession) {
    return { event: 'answer', data: session.userId };
  }

  @SubscribeMessage('role')
  @UseGuards(SessionGuard, { canActivate: (context: ExecutionContext) => sessionOf(context)?.claims.role === 'admin' })
  role() {
    return { event: 'answer', data: 'admin' };
  }

  @SubscribeMessage('open')
  @UseGuards(SessionGuard)
  @Public()
  open(@CurrentSession() session?: UserSession) {
    return { event: 'answer', data: session?.userId ?? 'nobody' };
  }

  @SubscribeMessage('unguarded')
  unguarded(@CurrentSession() session?: UserSession) {
    return { event: 'answer', data: session?.userId ?? 'nobody' };
  }

  @SubscribeMessage('interceptor')
  @UseInterceptors(WhoInterceptor)
  interceptor() {
    return { event: 'answer', data: 'nobody' };
  }
}

describe.each(PLATFORMS)('a socket.io gateway on %s', platform => {
  let test: TestApp;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    test = await startTestApp({ platform, providers: [PlainGateway] });
  });
  afterEach(() => sockets.splice(0).forEach(socket => socket.disconnect()));
  afterAll(() => test?.close());

  /** Says something and waits for the answer or the exception. */
  function say(event: string, extraHeaders: object, socket = connect(extraHeaders)): Promise<unknown> {
    return new Promise(resolve => {
      socket.once('answer', resolve);
      socket.once('exception', resolve);
      socket.once('connect_error', resolve);
      socket.emit(event, {});
    });
  }

  function connect(extraHeaders: object): Socket {
    const socket = io(test.url, { extraHeaders: { ...extraHeaders }, forceNew: true, reconnection: false });
    sockets.push(socket);
    return socket;
  }

  async function cookies(): Promise<{ cookie: string; client: CookieClient }> {
    const client = new CookieClient(test.url);
    await client.logIn('ada', { role: 'admin' });
    return { cookie: [...client.jar].map(([name, value]) => `${name}=${value}`).join('; '), client };
  }

  it.each(['plain', 'told'])('%s: the session is that of the handshake, by bearer token', async event => {
    expect(await say(event, await signInAs(test.app, 'grace'))).toBe('grace');
  });

  it.each(['plain', 'told'])('%s: the session is that of the handshake, by cookie', async event => {
    const { cookie } = await cookies();
    expect(await say(event, { cookie })).toBe('ada');
    expect(await say(event, { cookie, origin: test.url, 'sec-fetch-site': 'same-origin' })).toBe('ada');
  });

  it('S14: a message that no guard has seen does not find the session of an earlier one', async () => {
    const socket = connect(await signInAs(test.app, 'grace'));
    expect(await say('plain', {}, socket)).toBe('grace');
    expect(await say('open', {}, socket)).toBe('nobody');
    expect(await say('interceptor', {}, socket)).toBe('nobody');
    expect(await say('unguarded', {}, socket)).toMatchObject({ status: 'error' });
    expect(await say('plain', {}, socket)).toBe('grace');
  });

  it('without a session the plain guard lets nobody in, and the client is not told why', async () => {
    expect(await say('plain', {})).toMatchObject({ status: 'error', message: 'Internal server error' });
  });

  it('without a session the five-line subclass tells the client the code', async () => {
    expect(await say('told', {})).toMatchObject({ errorCode: 'session_missing' });
    expect(await say('told', { authorization: 'Bearer junk' })).toMatchObject({ errorCode: 'access_token_invalid' });
  });

  it.each<[string, Record<string, string>]>([
    ['its origin', { origin: 'https://evil.test' }],
    ['Fetch Metadata', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }],
    ['origin null', { origin: 'null' }],
  ])('X01: a cross-site handshake with cookies is refused by %s', async (_, headers) => {
    const { cookie } = await cookies();
    expect(await say('told', { cookie, ...headers })).toMatchObject({ errorCode: 'csrf_rejected' });
  });

  it('X04: with a bearer token the origin does not matter', async () => {
    expect(await say('told', { ...(await signInAs(test.app, 'grace')), origin: 'https://app.test' })).toBe('grace');
  });

  it('a role guard finds the session', async () => {
    const { cookie } = await cookies();
    expect(await say('role', { cookie })).toBe('admin');
    expect(await say('role', await signInAs(test.app, 'grace'))).toMatchObject({ status: 'error' });
  });

  it('S14: a session that ends while the socket is open is refused at the next message', async () => {
    const { cookie, client } = await cookies();
    const socket = connect({ cookie });
    expect(await say('told', {}, socket)).toBe('ada');
    await client.send('/session/logout', { method: 'POST' });
    expect(await say('told', {}, socket)).toMatchObject({ errorCode: 'session_revoked' });
  });
});
