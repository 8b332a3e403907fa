import { type DynamicModule, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SessionModule } from 'nestjs-jwt-session';
import { AccountController } from './account.controller.js';
import { AdminController } from './admin.controller.js';
import { AuthController } from './auth.controller.js';
import { openDataSource, typeOrmOptions } from './database.js';
import { HealthController } from './health.controller.js';
import { Note } from './note.entity.js';
import { NotesController } from './notes.controller.js';
import { sessionOptions } from './settings.js';
import { User } from './user.entity.js';
import { UsersService } from './users.service.js';

@Module({})
export class AppModule {
  static on(databaseUrl: string): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => typeOrmOptions(databaseUrl),
          dataSourceFactory: openDataSource,
        }),
        TypeOrmModule.forFeature([User, Note]),
        ScheduleModule.forRoot(),
        SessionModule.forRoot(sessionOptions()),
      ],
      controllers: [AuthController, NotesController, AccountController, AdminController, HealthController],
      providers: [UsersService],
    };
  }
}
