// Tells its parent when it learns of each ended session. DATABASE_URL and, for announcements by Redis, REDIS_URL say where.
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Redis } from 'ioredis';
import { SessionModule, SessionService } from '../../../dist/index.js';
import { RedisAnnouncer } from '../../../dist/redis/index.js';
import { SECRET } from './library.mjs';

const { DATABASE_URL, REDIS_URL } = process.env;
const announced = REDIS_URL ? { announcer: new RedisAnnouncer(new Redis(REDIS_URL)) } : {};

class AnnouncedModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: DATABASE_URL, poolSize: 2, autoLoadEntities: true }),
    // Polls every three minutes: what is known sooner was announced.
    SessionModule.forRoot({ secret: SECRET, revocation: { maxStaleness: '9m', ...announced } }),
  ],
})(AnnouncedModule);

const app = await NestFactory.createApplicationContext(AnnouncedModule, { logger: ['error'] });
const sessions = app.get(SessionService);
sessions.events.subscribe(event => {
  if (event.type !== 'session.revoked') return;
  process.send({ known: event.sessionIds, at: performance.timeOrigin + performance.now() });
});
process.on('message', async message => {
  if (message === 'stop') process.exit();
  if (message === 'log in') return process.send({ loggedIn: (await sessions.logIn('ada')).session.id });
  const began = performance.timeOrigin + performance.now();
  await sessions.logOut(message.logOut);
  process.send({ ended: message.logOut, began });
});
process.send('ready');
