import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { UseGuards } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { type OnGatewayConnection, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { WebSocket } from 'ws';
import { CurrentSession, Public, SessionGuard, UserSession } from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { CookieClient } from '../support/client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { type Upgraded, WsSessionGuard } from '../support/ws-session-guard.js';

@WebSocketGateway({ path: '/ws' })
class WsGateway implements OnGatewayConnection {
  handleConnection(client: Upgraded, request: IncomingMessage) {
    client.upgrade = request;
  }

  @SubscribeMessage('me')
  @UseGuards(WsSessionGuard)
  me(@CurrentSession() session: UserSession) {
    return { event: 'answer', data: session.userId };
  }

  // The plain guard, which finds no request in a `ws` context: so it is the APP_GUARD.
  @SubscribeMessage('public')
  @UseGuards(SessionGuard)
  @Public()
  open(@CurrentSession() session?: UserSession) {
    return { event: 'answer', data: session?.userId ?? 'nobody' };
  }
}

/** Says something and waits for the answer or the exception. */
async function ask(socket: WebSocket, event = 'me'): Promise<{ event: string; data: unknown }> {
  socket.send(JSON.stringify({ event, data: {} }));
  const [message] = (await once(socket, 'message')) as [Buffer];
  return JSON.parse(message.toString()) as { event: string; data: unknown };
}

describe.each(PLATFORMS)('a ws gateway on %s', platform => {
  let test: TestApp;
  const sockets: WebSocket[] = [];
  beforeAll(async () => {
    test = await startTestApp({
      platform,
      providers: [WsGateway],
      configure: app => app.useWebSocketAdapter(new WsAdapter(app)),
    });
  });
  afterEach(() => sockets.splice(0).forEach(socket => socket.terminate()));
  afterAll(() => test?.close());

  async function connect(headers: object): Promise<WebSocket> {
    const socket = new WebSocket(`${test.url.replace('http', 'ws')}/ws`, { headers: { ...headers } });
    sockets.push(socket);
    await once(socket, 'open');
    return socket;
  }

  async function cookies(): Promise<{ cookie: string; client: CookieClient }> {
    const client = new CookieClient(test.url);
    await client.logIn('ada');
    return { cookie: [...client.jar].map(([name, value]) => `${name}=${value}`).join('; '), client };
  }

  it('the session is that of the upgrade request, by bearer token or cookie', async () => {
    expect(await ask(await connect(await signInAs(test.app, 'grace')))).toEqual({ event: 'answer', data: 'grace' });
    expect(await ask(await connect({ cookie: (await cookies()).cookie }))).toEqual({ event: 'answer', data: 'ada' });
  });

  it('without a session the client is told the code', async () => {
    const answer = await ask(await connect({}));
    expect(answer).toMatchObject({ event: 'exception', data: { errorCode: 'session_missing' } });
  });

  it('a public handler needs no request, and knows nobody', async () => {
    const socket = await connect(await signInAs(test.app, 'ada'));
    expect(await ask(socket)).toEqual({ event: 'answer', data: 'ada' });
    expect(await ask(socket, 'public')).toEqual({ event: 'answer', data: 'nobody' });
  });

  it('two sockets of two users are not mixed up', async () => {
    const [one, two] = await Promise.all([
      connect(await signInAs(test.app, 'ada')),
      connect(await signInAs(test.app, 'grace')),
    ]);
    const answers = await Promise.all([ask(one), ask(two)]);
    expect(answers.map(({ data }) => data)).toEqual(['ada', 'grace']);
  });

  it.each<[string, Record<string, string>]>([
    ['its origin', { origin: 'https://evil.test' }],
    ['Fetch Metadata', { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }],
  ])('X01: a cross-site handshake with cookies is refused by %s', async (_, headers) => {
    const { cookie } = await cookies();
    const answer = await ask(await connect({ cookie, ...headers }));
    expect(answer).toMatchObject({ event: 'exception', data: { errorCode: 'csrf_rejected' } });
  });

  it('S14: a session that ends while the socket is open is refused at the next message', async () => {
    const { cookie, client } = await cookies();
    const socket = await connect({ cookie });
    expect((await ask(socket)).data).toBe('ada');
    await client.send('/session/logout', { method: 'POST' });
    expect((await ask(socket)).data).toMatchObject({ errorCode: 'session_revoked' });
  });
});
