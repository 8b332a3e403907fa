import { type DynamicModule, type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SessionEntity, SessionModule } from 'nestjs-jwt-session';
import { AccountController } from './account.controller.js';
import { AdminController } from './admin.controller.js';
import { AuthController } from './auth.controller.js';
import { openDataSource, typeOrmOptions } from './database.js';
import { HealthController } from './health.controller.js';
import { Note } from './note.entity.js';
import { NotesController } from './notes.controller.js';
import { DemonstrationController } from './pages/demonstration.controller.js';
import { InsideController } from './pages/inside.controller.js';
import { LiveView } from './pages/live-view.service.js';
import { PageHeaders } from './pages/page-headers.middleware.js';
import { PagesController } from './pages/pages.controller.js';
import { SecondClients } from './pages/second-clients.service.js';
import { ServiceGuard } from './service.guard.js';
import { isDevelopment, servesRevocations, sessionOptions } from './settings.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({})
export class AppModule implements NestModule {
  static on(databaseUrl: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => typeOrmOptions(databaseUrl),
          dataSourceFactory: openDataSource,
        }),
        TypeOrmModule.forFeature([User, Note, SessionEntity]),
        ScheduleModule.forRoot(),
        SessionModule.forRoot({
          ...sessionOptions(),
          revocations: servesRevocations ? { guard: ServiceGuard } : undefined,
        }),
      ],
      controllers: [
        AuthController,
        NotesController,
        AccountController,
        AdminController,
        HealthController,
        PagesController,
        InsideController,
        ...(isDevelopment ? [DemonstrationController] : []),
      ],
      providers: [UsersService, LiveView, ...(isDevelopment ? [SecondClients] : [])],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(PageHeaders).forRoutes('{*path}');
  }
}
