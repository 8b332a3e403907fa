import { type ExecutionContext, Injectable, UseGuards } from '@nestjs/common';
import { APP_GUARD, ExternalContextCreator } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CurrentSession,
  OptionalSession,
  Public,
  SessionExchange,
  SessionGuard,
  sessionOf,
  UserSession,
} from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

/** Where Nest keeps the decorated parameters of handlers. */
const ROUTE_ARGS = '__routeArguments__';

interface Message {
  readonly headers?: Record<string, string>;
}

/** Takes the credentials from the second argument, as transports hand over the context of a message. */
@Injectable()
class MessageGuard extends SessionGuard {
  protected override getExchange(context: ExecutionContext): SessionExchange {
    if (context.getType() === 'http') return super.getExchange(context);
    const { headers = {} } = context.getArgByIndex<Message>(1);
    const lowerCase = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    return new SessionExchange({ headers: Object.fromEntries(lowerCase) as Record<string, string> });
  }
}

const name = (session?: UserSession) => session?.userId ?? 'nobody';

@Injectable()
class Consumer {
  @Public()
  open(@CurrentSession() session?: UserSession) {
    return name(session);
  }

  @OptionalSession()
  optional(@CurrentSession() session?: UserSession) {
    return name(session);
  }

  guarded(@CurrentSession() session: UserSession) {
    return name(session);
  }

  @UseGuards({ canActivate: (context: ExecutionContext) => sessionOf(context)?.claims.role === 'admin' })
  role(@CurrentSession() session: UserSession) {
    return name(session);
  }
}

@Public()
@Injectable()
class PublicConsumer {
  open() {
    return 'heard';
  }
}

type Handler = (...args: unknown[]) => Promise<unknown>;

// Packages for RabbitMQ, queues and Discord call handlers in this way, with a type of their own; `rpc` is that of Nest's
// microservices, also in hybrid applications, where APP_GUARD applies with `inheritAppConfig`.
describe.each(['rmq', 'rpc', 'necord'])('messages of type %s', type => {
  describe.each(PLATFORMS)('in an application on %s whose APP_GUARD is', platform => {
    let test: TestApp;
    const handlers = {} as Record<keyof Consumer | 'heard', Handler>;

    const start = async (guard: typeof SessionGuard) => {
      const providers = [Consumer, PublicConsumer, guard, { provide: APP_GUARD, useExisting: guard }];
      test = await startTestApp({ platform, providers });
      const creator = test.app.get(ExternalContextCreator);
      const create = <T extends object>(instance: T, method: keyof T & string) =>
        creator.create(
          instance as never,
          instance[method] as never,
          method,
          ROUTE_ARGS,
          { exchangeKeyForValue: () => undefined },
          undefined,
          undefined,
          undefined,
          type,
        ) as Handler;
      const consumer = test.app.get(Consumer);
      for (const method of ['open', 'optional', 'guarded', 'role'] as const)
        handlers[method] = create(consumer, method);
      handlers.heard = create(test.app.get(PublicConsumer), 'open');
    };

    describe('the plain one', () => {
      beforeAll(() => start(SessionGuard));
      afterAll(() => test?.close());

      it.each<[string, unknown[]]>([
        ['a message and its context', [{ text: 'hello' }, { fields: {} }]],
        ['frozen objects', [Object.freeze({}), Object.freeze({})]],
        ['a text', ['hello']],
        ['nothing', []],
      ])('lets public handlers have %s', async (_, message) => {
        expect(await handlers.open(...message)).toBe('nobody');
        expect(await handlers.heard(...message)).toBe('heard');
      });

      it('says of other handlers what to override', async () => {
        await expect(handlers.guarded({}, {})).rejects.toThrow(
          `SessionGuard finds no request in a "${type}" context: extend it and override getExchange(context)`,
        );
      });
    });

    describe('one that knows where the credentials are', () => {
      beforeAll(() => start(MessageGuard));
      afterAll(() => test?.close());

      it('a handler is given the session of its message', async () => {
        const [ada, grace] = [
          await signInAs(test.app, 'ada', { claims: { role: 'admin' } }),
          await signInAs(test.app, 'grace'),
        ];
        expect(await handlers.guarded('text', { headers: ada })).toBe('ada');
        expect(await handlers.guarded(Object.freeze({}), Object.freeze({ headers: grace }))).toBe('grace');
        expect(await handlers.optional('text', { headers: grace })).toBe('grace');
        expect(await handlers.optional('text', {})).toBe('nobody');
        expect(await handlers.role('text', { headers: ada })).toBe('ada');
        await expect(handlers.role('text', { headers: grace })).rejects.toMatchObject({ status: 403 });
        await expect(handlers.guarded('text', {})).rejects.toMatchObject({ errorCode: 'session_missing' });
      });

      it('S14: a public handler of the same message knows nobody', async () => {
        const context = { headers: await signInAs(test.app, 'ada') };
        expect(await handlers.guarded('text', context)).toBe('ada');
        expect(await handlers.open('text', context)).toBe('nobody');
      });
    });
  });
});
