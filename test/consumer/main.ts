// Runs the application on each platform and each database. It is compiled as an ES module and as CommonJS.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SessionGuard, SessionService } from 'nestjs-jwt-session';
import { type AccountEvent, AccountModule } from 'nestjs-jwt-session/accounts';
import { accountStoreContract } from 'nestjs-jwt-session/accounts/testing';
import { createSessionFetch, type SessionFetch } from 'nestjs-jwt-session/client';
import { RedisAnnouncer } from 'nestjs-jwt-session/redis';
import { TestClock } from 'nestjs-jwt-session/testing';
import { SessionGuard as GuardOfVerifier, SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { applicationOn } from './application.js';
import { walk } from './walk.js';

export type Told = AccountEvent['type'];
export type Session = SessionFetch;
/** The entry points share their types: one with private members is only assignable to itself. */
export const guard: typeof SessionGuard = GuardOfVerifier;

async function main(): Promise<void> {
  // All entry points are there, and give the same classes whichever way they are loaded.
  const classes = [AccountModule, TestClock, SessionVerifierModule, RedisAnnouncer];
  for (const offered of [...classes, accountStoreContract, createSessionFetch]) {
    assert.equal(typeof offered, 'function');
  }
  assert.equal(GuardOfVerifier, SessionGuard);
  const required = createRequire(process.argv[1]!)('nestjs-jwt-session') as { SessionService: unknown };
  const imported = await import('nestjs-jwt-session');
  assert.equal(required.SessionService, SessionService);
  assert.equal(imported.SessionService, SessionService);

  for (const url of process.env.DATABASE_URLS!.split(' ')) {
    const module = applicationOn(url);
    await walk(await NestFactory.create(module, { logger: ['error', 'warn'] }));
    await walk(await NestFactory.create(module, new FastifyAdapter(), { logger: ['error', 'warn'] }));
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
