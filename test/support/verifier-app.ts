import { Controller, Get, HttpCode, type INestApplication, type ModuleMetadata, Post, UseGuards } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  CurrentSession,
  OptionalSession,
  Public,
  RequireRecentLogin,
  SessionGuard,
  UserSession,
} from 'nestjs-jwt-session/verifier';
import { SessionClock, TestClock } from '../../lib/testing/index.js';
import type { Platform } from './test-app.js';

@Controller()
@UseGuards(SessionGuard)
class VerifierController {
  @Get('me')
  me(@CurrentSession() { id, userId, claims }: UserSession) {
    return { sessionId: id, userId, claims };
  }

  @Post('act')
  @HttpCode(200)
  act(@CurrentSession() { userId }: UserSession) {
    return { userId };
  }

  @Get('optional')
  @OptionalSession()
  optional(@CurrentSession() session?: UserSession) {
    return { userId: session?.userId };
  }

  @Get('public')
  @Public()
  everybody() {
    return { userId: 'nobody' };
  }

  @Get('recent')
  @RequireRecentLogin('5m')
  recent(@CurrentSession() { userId }: UserSession) {
    return { userId };
  }
}

export interface VerifierApp {
  readonly app: INestApplication;
  readonly url: string;
}

/** A service with the given verifier module only, listening on 127.0.0.1. */
export async function startVerifier(
  platform: Platform,
  verifier: NonNullable<ModuleMetadata['imports']>[number],
  clock: SessionClock = new TestClock(),
): Promise<VerifierApp> {
  const module = await Test.createTestingModule({ imports: [verifier], controllers: [VerifierController] })
    .overrideProvider(SessionClock)
    .useValue(clock)
    .compile();
  const app =
    platform === 'fastify' ? module.createNestApplication(new FastifyAdapter()) : module.createNestApplication();
  app.useLogger(false);
  await app.listen(0, '127.0.0.1');
  return { app, url: (await app.getUrl()).replace('[::1]', '127.0.0.1') };
}
