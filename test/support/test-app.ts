import {
  Body,
  Controller,
  Get,
  HttpCode,
  type INestApplication,
  Module,
  type ModuleMetadata,
  Post,
  UseGuards,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  CurrentSession,
  Exchange,
  SESSION_MIGRATIONS,
  type SessionEvent,
  SessionExchange,
  SessionGuard,
  SessionModule,
  type SessionModuleExtras,
  type SessionModuleOptions,
  SessionService,
  UserSession,
} from 'nestjs-jwt-session';
import { SessionClock } from '../../lib/testing/index.js';
import { RevocationFeed } from '../../lib/revocation/revocation-feed.js';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { RotationConfirmations } from '../../lib/tokens/rotation-confirmations.js';
import { listen } from './application.js';
import { SharedClock, TestDatabase } from './database.js';
import { PgBouncer } from './pgbouncer.js';

export const PLATFORMS = ['express', 'fastify'] as const;
export type Platform = (typeof PLATFORMS)[number];

export const SECRET = 'test-secret-that-is-long-enough-for-everybody';

/** Logs any user in, and has one guarded route of each kind. */
@Controller()
export class TestController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  @HttpCode(200)
  logIn(@Body() body: { userId: string; claims?: Record<string, unknown> }, @Exchange() exchange: SessionExchange) {
    return this.sessions.logIn(body.userId, { exchange, claims: body.claims });
  }

  @Get('me')
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: UserSession) {
    return { userId: session.userId, sessionId: session.id, claims: session.claims };
  }

  @Post('act')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  act(@CurrentSession() session: UserSession) {
    return { userId: session.userId };
  }
}

export interface TestAppOptions {
  platform?: Platform;
  /** The module's options; `secret` is set unless given. */
  session?: SessionModuleOptions & SessionModuleExtras;
  /** Use this database instead of a fresh one. */
  database?: TestDatabase;
  clock?: SharedClock;
  /** The platform's own setting: which proxies' forwarded headers are believed. */
  trustProxy?: boolean | string;
  /** Settings of Fastify's own, such as `http2`. */
  fastify?: object;
  imports?: ModuleMetadata['imports'];
  controllers?: ModuleMetadata['controllers'];
  providers?: ModuleMetadata['providers'];
  /** Data-source options beside the connection. */
  typeorm?: object;
  override?: (builder: TestingModuleBuilder) => void;
  /** Before `init`: global prefix, pipes and the like. */
  configure?: (app: INestApplication) => void;
}

export interface TestApp {
  readonly app: INestApplication;
  readonly database: TestDatabase;
  readonly clock: SharedClock;
  readonly sessions: SessionService;
  /** Every event so far. */
  readonly events: SessionEvent[];
  /** The root URL of the listening server. */
  readonly url: string;
  /** Moves the clocks, and runs the tasks that timers would have run meanwhile: timers run on real time. */
  advance(duration: string): Promise<void>;
  /** Writes the noted uses of access tokens at once, instead of 100 ms later. */
  confirmUses(): Promise<void>;
  close(): Promise<void>;
}

/** A real application on a real database, listening on 127.0.0.1. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await TestDatabase.create());
  const clock = options.clock ?? (await SharedClock.install(database));
  // `TEST_POOLER=pgbouncer npm test`: the whole suite uses a pooler in transaction mode.
  const pooler = process.env.TEST_POOLER === 'pgbouncer' ? await PgBouncer.inFrontOf(database) : undefined;

  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: pooler?.url ?? database.url,
        autoLoadEntities: true,
        migrations: [...SESSION_MIGRATIONS],
        migrationsRun: true,
        retryAttempts: 0,
        ...options.typeorm,
      }),
      SessionModule.forRoot({
        secret: SECRET,
        ...options.session,
        ...(pooler && { revocation: { feed: 'poll', ...options.session?.revocation } }),
        ...(database.citus && { distributed: true, revocation: { ...options.session?.revocation, feed: 'poll' } }),
      }),
      ...(options.imports ?? []),
    ],
    controllers: [TestController, ...(options.controllers ?? [])],
    providers: options.providers ?? [],
  })
  class TestModule {}

  const builder = Test.createTestingModule({ imports: [TestModule] })
    .overrideProvider(SessionClock)
    .useValue(clock);
  options.override?.(builder);
  const module = await builder.compile();
  const app =
    options.platform === 'fastify'
      ? module.createNestApplication(
          new FastifyAdapter({ trustProxy: options.trustProxy ?? false, ...options.fastify }),
        )
      : module.createNestApplication<NestExpressApplication>();
  if (options.platform !== 'fastify') (app as NestExpressApplication).set('trust proxy', options.trustProxy ?? false);
  app.useLogger(false);
  options.configure?.(app);
  const url = await listen(app);
  const sessions = app.get(SessionService);
  const events: SessionEvent[] = [];
  sessions.events.subscribe(event => events.push(event));
  return {
    app,
    database,
    clock,
    sessions,
    events,
    url,
    async advance(duration) {
      await clock.advance(duration);
      await app.get(KeyRotation).tick();
      await app.get(RevocationFeed).tick();
    },
    confirmUses: () => app.get(RotationConfirmations).flush(),
    async close() {
      await app.close();
      await pooler?.stop();
      if (!options.database) await database.drop();
    },
  };
}
