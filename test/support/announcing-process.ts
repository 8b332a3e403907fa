// A process whose announcements of revocations are never sent, because it dies before: DATABASE_URL says where its
// sessions are, the argument which one it ends.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { RevocationAnnouncer, SessionModule, SessionService } from 'nestjs-jwt-session';

class DyingAnnouncer extends RevocationAnnouncer {
  override async announce(_: string, message: string): Promise<void> {
    if (message.includes('sessions')) process.kill(process.pid, 'SIGKILL');
  }

  override async listen() {
    return { close: async () => undefined };
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: process.env.DATABASE_URL, autoLoadEntities: true }),
    SessionModule.forRoot({
      secret: process.env.SESSION_SECRET,
      revocation: { announcer: new DyingAnnouncer() },
    }),
  ],
})
class DyingModule {}

const app = await NestFactory.createApplicationContext(DyingModule, { logger: false });
await app.get(SessionService).logOut(process.argv[2]!);
