import 'reflect-metadata';
import {
  Body,
  ConsoleLogger,
  Controller,
  Get,
  HttpCode,
  type INestApplication,
  Module,
  Post,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentSession,
  Exchange,
  SessionErrorInterceptor,
  SessionExchange,
  SessionGuard,
  SessionModule,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { SessionClock } from '../../lib/testing/index.js';
import { MUTATIONS } from './mutations.js';
import { type ApplicationSettings, type Operation, type Order, SESSION_OPTIONS } from './settings.js';

/**
 * The application of a campaign: one of several processes on one database. The campaign orders faults of the process
 * itself by IPC: a blocked event loop, a clock that is set.
 */
const settings = JSON.parse(process.env.APPLICATION!) as ApplicationSettings;

/** A clock that is set as an administrator or NTP sets it: the monotonic clock of the system does not notice. */
class SettableClock extends SessionClock {
  ahead = 0;

  override now(): number {
    return Date.now() + this.ahead;
  }
}

const clock = new SettableClock();

const mutated = settings.mutation && MUTATIONS[settings.mutation]();

@Controller()
class ApplicationController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  @HttpCode(200)
  async logIn(@Body() { userId }: { userId: string }, @Exchange() exchange: SessionExchange) {
    const { session, ...tokens } = await this.sessions.logIn(userId, { exchange, claims: { change: 0 } });
    return { ...tokens, sessionId: session.id };
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { id, userId, claims }: UserSession) {
    return { sessionId: id, userId, claims };
  }

  /** The operator's console. */
  @Post('operate')
  @HttpCode(200)
  @UseInterceptors(SessionErrorInterceptor)
  async operate(@Body() operation: Operation): Promise<object> {
    switch (operation.verb) {
      case 'log-out':
        return { ended: await this.sessions.logOut(operation.sessionId) };
      case 'log-out-all':
        return { ended: await this.sessions.logOutAll(operation.userId) };
      case 'invalidate-access':
        await this.sessions.invalidateTokens(operation.userId, 'access');
        return {};
      case 'invalidate-refresh':
        await this.sessions.invalidateTokens(operation.userId, 'refresh');
        return {};
      case 'set-claims':
        await this.sessions.setClaims(operation.sessionId, { change: operation.change });
        return {};
      case 'rotate-keys':
        await this.sessions.rotateKeys();
        return {};
      case 'distrust-keys':
        await this.sessions.rotateKeys({ distrust: true });
        return {};
      case 'list':
        return { sessions: (await this.sessions.list(operation.userId)).map(({ id }) => id) };
    }
  }

  @Get('resources')
  resources() {
    global.gc?.();
    return {
      pid: process.pid,
      heap: process.memoryUsage().heapUsed,
      handles: process.getActiveResourcesInfo().length,
    };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: settings.databaseUrl,
      autoLoadEntities: true,
      retryAttempts: 0,
      extra: { max: 5, query_timeout: 10_000, connectionTimeoutMillis: 5_000 },
    }),
    SessionModule.forRoot({
      ...SESSION_OPTIONS,
      ...(settings.maxPerUser && { session: { ...SESSION_OPTIONS.session, maxPerUser: settings.maxPerUser } }),
      ...mutated,
      secret: settings.secrets,
      revocation: settings.revocation,
    }),
  ],
  controllers: [ApplicationController],
})
class ApplicationModule {}

process.on('message', (order: Order) => {
  if ('block' in order) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.block);
  else clock.ahead = order.clockAhead;
});

async function start(): Promise<INestApplication> {
  const builder = Test.createTestingModule({ imports: [ApplicationModule] }).setLogger(
    new ConsoleLogger({ logLevels: ['warn', 'error'], colors: false }),
  );
  const module = await builder.overrideProvider(SessionClock).useValue(clock).compile();
  const app =
    settings.platform === 'fastify'
      ? module.createNestApplication(new FastifyAdapter({ forceCloseConnections: true }))
      : module.createNestApplication({ forceCloseConnections: true });
  app.enableShutdownHooks();
  app.get(SessionService).events.subscribe(event => {
    if (event.type === 'session.theft') process.send?.({ theft: event });
  });
  return app.listen(settings.port, '127.0.0.1');
}

await start().catch((error: unknown) => {
  // The supervisor starts it again.
  console.log(`not started: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
process.send?.({ listening: true });
// A campaign that has gone must not keep the process.
process.once('disconnect', () => process.exit(0));
