import type { AddressInfo, Server as NetServer } from 'node:net';
import { Controller, type ExecutionContext, Get, type INestMicroservice, Injectable } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import {
  BaseRpcContext,
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload,
  RpcException,
  Server,
  Transport,
} from '@nestjs/microservices';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CurrentSession,
  OptionalSession,
  Public,
  SessionError,
  SessionExchange,
  SessionGuard,
  UserSession,
} from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { firstValueFrom, type Observable } from 'rxjs';
import { send } from '../support/client.js';
import type { Issued } from '../support/raw-cookies.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

interface Message {
  readonly accessToken?: string;
}

/** HTTP requests have their headers; the sender of a message puts the access token into it. */
@Injectable()
class HybridGuard extends SessionGuard {
  protected override getExchange(context: ExecutionContext): SessionExchange {
    if (context.getType() === 'http') return super.getExchange(context);
    const { accessToken } = context.switchToRpc().getData<Message>();
    return new SessionExchange({ headers: accessToken ? { authorization: `Bearer ${accessToken}` } : {} });
  }

  protected override refuse(error: unknown, context: ExecutionContext): never {
    throw context.getType() === 'rpc' && error instanceof SessionError ? new RpcException(error.getResponse()) : error;
  }
}

const name = (session?: UserSession) => ({ userId: session?.userId ?? 'nobody' });
const heard: string[] = [];

/** One controller of a hybrid application: its handlers take requests and messages. */
@Controller()
class Hybrid {
  @Get('open')
  @MessagePattern('open')
  @Public()
  open(@CurrentSession() session?: UserSession) {
    return name(session);
  }

  @Get('optional')
  @MessagePattern('optional')
  @OptionalSession()
  optional(@CurrentSession() session?: UserSession) {
    return name(session);
  }

  @Get('guarded')
  guardedRoute(@CurrentSession() session: UserSession) {
    return name(session);
  }

  @MessagePattern('guarded')
  guarded(@CurrentSession() session: UserSession, @Payload() { accessToken }: Message) {
    return { ...name(session), hasToken: accessToken !== undefined };
  }

  @EventPattern('noted')
  @Public()
  noted(@Payload() text: string) {
    heard.push(text);
  }
}

@Public()
@Controller()
class PublicMessages {
  @MessagePattern('health')
  health() {
    return 'well';
  }
}

/** A transport of one's own, as those for brokers are: it calls the handlers without a connection. */
class MemoryServer extends Server {
  listen(started: () => void): void {
    started();
  }

  close(): void {}
  on(): void {}

  unwrap<T>(): T {
    return this as unknown as T;
  }

  async ask(pattern: string, data: unknown): Promise<unknown> {
    const handler = this.getHandlerByPattern(JSON.stringify(pattern)) ?? this.getHandlerByPattern(pattern);
    const answer = await handler!(data, Object.freeze(new BaseRpcContext([pattern])));
    return firstValueFrom(this.transformToObservable(answer as Observable<unknown>));
  }

  async emit(pattern: string, data: unknown): Promise<void> {
    await this.handleEvent(pattern, { pattern, data }, new BaseRpcContext([pattern]));
  }
}

interface Messages {
  ask(pattern: string, data: unknown): Promise<unknown>;
  emit(pattern: string, data: unknown): Promise<unknown>;
  close(): unknown;
}

type Connect = (microservice: INestMicroservice) => Messages;

const TRANSPORTS: [name: string, options: () => object, connect: Connect][] = [
  [
    'TCP',
    () => ({ transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } }),
    microservice => {
      const { port } = microservice.unwrap<NetServer>().address() as AddressInfo;
      const client: ClientProxy = ClientProxyFactory.create({
        transport: Transport.TCP,
        options: { host: '127.0.0.1', port },
      });
      return {
        ask: (pattern, data) => firstValueFrom(client.send<unknown>(pattern, data as object)),
        emit: (pattern, data) => firstValueFrom(client.emit<unknown>(pattern, data as object), { defaultValue: null }),
        close: () => client.close(),
      };
    },
  ],
  [
    'a custom strategy',
    () => ({ strategy: new MemoryServer() }),
    microservice => {
      const server = microservice.unwrap<MemoryServer>();
      return {
        ask: (pattern, data) => server.ask(pattern, data),
        emit: (pattern, data) => server.emit(pattern, data),
        close: () => undefined,
      };
    },
  ],
];

describe.each(PLATFORMS)('a hybrid application on %s', platform => {
  describe.each(TRANSPORTS)('with inheritAppConfig and %s, whose APP_GUARD is', (_, options, connect) => {
    let test: TestApp;
    let messages: Messages;

    const start = async (guard: typeof SessionGuard) => {
      let microservice: INestMicroservice;
      test = await startTestApp({
        platform,
        controllers: [Hybrid, PublicMessages],
        providers: [...(guard === SessionGuard ? [] : [guard]), { provide: APP_GUARD, useExisting: guard }],
        configure(app) {
          microservice = app.connectMicroservice(options(), { inheritAppConfig: true });
        },
      });
      await test.app.startAllMicroservices();
      messages = connect(microservice!);
    };
    const stop = async () => {
      await messages?.close();
      await test?.close();
    };
    const get = async (path: string, headers?: Record<string, string>) => {
      const { status, body } = await send(test.url + path, { headers });
      return [status, body.userId ?? body.errorCode];
    };
    const logIn = async (userId: string) => (await test.sessions.logIn(userId)) as Issued;
    beforeEach(() => void heard.splice(0));

    describe('the plain SessionGuard', () => {
      beforeAll(() => start(SessionGuard));
      afterAll(stop);

      it('@Public() handlers take messages and requests', async () => {
        expect(await messages.ask('open', {})).toEqual({ userId: 'nobody' });
        expect(await messages.ask('open', 'text')).toEqual({ userId: 'nobody' });
        expect(await messages.ask('health', {})).toBe('well');
        expect(await get('/open', await signInAs(test.app, 'ada'))).toEqual([200, 'nobody']);
      });

      it('@Public() handlers take events', async () => {
        await messages.emit('noted', 'news');
        // The answer to a later message on the same connection shows that the event was handled.
        await messages.ask('open', {});
        expect(heard).toEqual(['news']);
      });

      it('other handlers refuse messages, and take requests', async () => {
        await expect(messages.ask('guarded', {})).rejects.toEqual({
          status: 'error',
          message: 'Internal server error',
        });
        expect(await get('/guarded', await signInAs(test.app, 'ada'))).toEqual([200, 'ada']);
        expect(await get('/guarded')).toEqual([401, 'session_missing']);
      });
    });

    describe('a guard that knows where the token is in a message', () => {
      beforeAll(() => start(HybridGuard));
      afterAll(stop);

      it('a handler is given the session of its message', async () => {
        const [ada, grace] = await Promise.all(['ada', 'grace'].map(logIn));
        const answers = await Promise.all([ada, grace, ada].map(session => messages.ask('guarded', session)));
        expect(answers).toEqual(['ada', 'grace', 'ada'].map(userId => ({ userId, hasToken: true })));
        expect(await messages.ask('optional', grace)).toEqual({ userId: 'grace' });
        expect(await messages.ask('optional', {})).toEqual({ userId: 'nobody' });
        expect(await messages.ask('open', ada)).toEqual({ userId: 'nobody' });
        expect(await messages.ask('health', ada)).toBe('well');
      });

      it('a refusal reaches the sender with its code', async () => {
        await expect(messages.ask('guarded', {})).rejects.toMatchObject({ errorCode: 'session_missing' });
        await expect(messages.ask('guarded', { accessToken: 'junk' })).rejects.toMatchObject({
          errorCode: 'access_token_invalid',
        });
        await expect(messages.ask('optional', { accessToken: 'junk' })).rejects.toMatchObject({
          errorCode: 'access_token_invalid',
        });
        const { session, accessToken } = await logIn('ada');
        await test.sessions.logOut(session.id);
        await expect(messages.ask('guarded', { accessToken })).rejects.toMatchObject({
          errorCode: 'session_revoked',
        });
      });

      it('requests are guarded as ever', async () => {
        const ada = await signInAs(test.app, 'ada');
        expect(await get('/guarded', ada)).toEqual([200, 'ada']);
        expect(await get('/optional', ada)).toEqual([200, 'ada']);
        expect(await get('/optional')).toEqual([200, 'nobody']);
        expect(await get('/guarded')).toEqual([401, 'session_missing']);
      });
    });
  });
});
