import type { IncomingMessage } from 'node:http';
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { type OnGatewayConnection, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { generateKeyPair, generateProof, type KeyPair } from 'dpop';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { CurrentSession, SessionError, SessionExchange, SessionGuard, UserSession } from 'nestjs-jwt-session';
import type { AnswerBody } from '../support/client.js';
import { selfSigned } from '../support/certificate.js';
import { DpopClient } from '../support/dpop-client.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

type Upgraded = WebSocket & { upgrade: IncomingMessage };

@Injectable()
class WsSessionGuard extends SessionGuard {
  protected override getExchange(context: ExecutionContext): SessionExchange {
    const { upgrade } = context.switchToWs().getClient<Upgraded>();
    return upgrade ? new SessionExchange(upgrade) : super.getExchange(context);
  }

  protected override refuse(error: unknown): never {
    throw error instanceof SessionError ? new WsException(error.getResponse()) : error;
  }
}

@WebSocketGateway({ path: '/ws' })
class Gateway implements OnGatewayConnection {
  handleConnection(client: Upgraded, request?: IncomingMessage) {
    if (request?.headers) client.upgrade = request;
  }

  @SubscribeMessage('me')
  @UseGuards(WsSessionGuard)
  me(@CurrentSession() session: UserSession) {
    return { event: 'answer', data: session.userId };
  }
}

/** A login with a proof, whose certificate need not be trusted. */
async function loginOf(client: DpopClient, url: string): Promise<SessionExchange> {
  const { protocol, host } = new URL(url);
  const dpop = await client.proof('POST', '/login');
  const headers = { host, dpop, 'session-transport': 'bearer' };
  return new SessionExchange({ method: 'POST', url: '/login', protocol: protocol.slice(0, -1), headers });
}

interface Message {
  readonly event: string;
  readonly data: string | { readonly errorCode?: string };
}

/** The user's id, or why the message is refused. */
const outcomeOf = ({ data }: Pick<Message, 'data'>) => (typeof data === 'string' ? data : data.errorCode);

describe.each([...PLATFORMS, 'fastify with TLS'] as const)('DPoP in the handshake of a WebSocket, on %s', server => {
  const platform = server === 'express' ? 'express' : 'fastify';

  describe.each(['ws', 'socket.io'])('%s', library => {
    const path = library === 'ws' ? '/ws' : '/ws/';
    let test: TestApp;
    let ada: DpopClient;
    const ends: (() => void)[] = [];

    beforeAll(async () => {
      test = await startTestApp({
        platform,
        fastify: server === 'fastify with TLS' ? { https: selfSigned() } : {},
        session: { binding: { key: 'prefer' } },
        providers: [Gateway],
        configure: app => void (library === 'ws' && app.useWebSocketAdapter(new WsAdapter(app))),
      });
      ada = await DpopClient.of(test.url);
      const exchange = await loginOf(ada, test.url);
      ada.accessToken = (await test.sessions.logIn('ada', { exchange })).accessToken!;
    });
    afterEach(() => ends.splice(0).forEach(end => end()));
    afterAll(() => test?.close());

    /** Connects, and says something as often as given. */
    async function ask(headers: Record<string, string>, times = 1): Promise<unknown[]> {
      const outcomes: unknown[] = [];
      if (library === 'ws') {
        const socket = new WebSocket(`${test.url.replace('http', 'ws')}${path}`, {
          headers,
          rejectUnauthorized: false,
        });
        ends.push(() => socket.terminate());
        await once(socket, 'open');
        for (let message = 0; message < times; message++) {
          socket.send(JSON.stringify({ event: 'me', data: {} }));
          const [answer] = (await once(socket, 'message')) as [Buffer];
          outcomes.push(outcomeOf(JSON.parse(answer.toString()) as Message));
        }
        return outcomes;
      }
      const socket = io(test.url, {
        path,
        transports: ['websocket'],
        extraHeaders: headers,
        rejectUnauthorized: false,
      });
      ends.push(() => socket.disconnect());
      for (let message = 0; message < times; message++) {
        outcomes.push(
          await new Promise(resolve => {
            socket.once('answer', (data: string) => resolve(data));
            socket.once('exception', (data: { errorCode?: string }) => resolve(data.errorCode));
            socket.emit('me', {});
          }),
        );
      }
      return outcomes;
    }

    const authorization = () => `DPoP ${ada.accessToken}`;

    it('P19: one proof serves all messages of its connection', async () => {
      const dpop = await ada.proof('GET', path, ada.accessToken);
      expect(await ask({ authorization: authorization(), dpop }, 3)).toEqual(['ada', 'ada', 'ada']);
      expect(await ask({ authorization: authorization(), dpop })).toEqual(['key_proof_invalid']);
    });

    it('P19: a connection without a proof, or with one of another address or key, is refused', async () => {
      const other = await DpopClient.of(test.url);
      const proofs = [
        await ada.proof('GET', '/me', ada.accessToken),
        await ada.proof('POST', path, ada.accessToken),
        await ada.proof('GET', path),
        await other.proof('GET', path, ada.accessToken),
      ];
      for (const dpop of proofs) {
        expect(await ask({ authorization: authorization(), dpop })).toEqual(['key_proof_invalid']);
      }
      expect(await ask({ authorization: authorization() })).toEqual(['key_proof_invalid']);
      expect(await ask({ authorization: `Bearer ${ada.accessToken}` })).toEqual(['session_key_required']);
    });
  });
});

describe('DPoP over HTTP/2, on fastify', () => {
  let test: TestApp;
  let client: ClientHttp2Session;
  let keys: KeyPair;
  let base: string;

  beforeAll(async () => {
    test = await startTestApp({
      platform: 'fastify',
      fastify: { http2: true, https: selfSigned() },
      session: { binding: { key: 'prefer' } },
    });
    base = test.url;
    client = connect(base, { rejectUnauthorized: false });
    keys = await generateKeyPair('ES256');
  });
  afterAll(async () => {
    client?.destroy();
    await test?.close();
  });

  async function send(path: string, method: string, headers: object, body?: object) {
    const type = body ? { 'content-type': 'application/json' } : {};
    const stream = client.request({ ':path': path, ':method': method, ...type, ...headers });
    stream.end(body && JSON.stringify(body));
    const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    return { status: answered[':status'], headers: answered, body: JSON.parse(await text(stream)) as AnswerBody };
  }

  it('P19: a login, requests and a refresh with proofs of https addresses are accepted', async () => {
    const proof = (method: string, path: string, accessToken?: string, at = base) =>
      generateProof(keys, at + path, method, undefined, accessToken);
    const login = await send(
      '/login',
      'POST',
      { 'session-transport': 'bearer', dpop: await proof('POST', '/login') },
      { userId: 'ada' },
    );
    expect([login.status, login.body.tokenType]).toEqual([200, 'DPoP']);
    const { accessToken, refreshToken } = login.body;
    const authorization = `DPoP ${accessToken}`;
    const me = await send('/me?x=1', 'GET', { authorization, dpop: await proof('GET', '/me', accessToken) });
    expect([me.status, me.body.userId]).toEqual([200, 'ada']);
    const dpop = await proof('POST', '/session/refresh');
    const refresh = await send('/session/refresh', 'POST', { dpop }, { refreshToken });
    expect([refresh.status, refresh.body.tokenType]).toEqual([200, 'DPoP']);

    for (const wrong of [
      await proof('GET', '/me', accessToken, base.replace('https', 'http')),
      await proof('GET', '/me', accessToken, 'https://other.test'),
    ]) {
      const refused = await send('/me', 'GET', { authorization, dpop: wrong });
      expect([refused.status, refused.body.errorCode]).toEqual([401, 'key_proof_invalid']);
    }
    const twice = [await proof('GET', '/me', accessToken), await proof('GET', '/me', accessToken)];
    expect((await send('/me', 'GET', { authorization, dpop: twice })).body.errorCode).toBe('key_proof_invalid');
  });
});
