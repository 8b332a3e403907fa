import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';
import { ACCOUNT_MIGRATIONS, AccountClaims, AccountModule } from 'nestjs-jwt-session/accounts';
import { MailCatcher, MailsController } from './mail-catcher.js';

export interface AppSettings {
  readonly databaseUrl: string;
  /** Where users see the application. */
  readonly baseUrl: string;
  readonly smtp: string;
  readonly catcher: MailCatcher;
}

@Module({})
export class AppModule {
  static on({ databaseUrl, baseUrl, smtp, catcher }: AppSettings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: databaseUrl,
          connectTimeoutMS: 5_000,
          extra: { query_timeout: 10_000 },
          autoLoadEntities: true,
          migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS],
          migrationsRun: true,
        }),
        SessionModule.forRoot({
          claims: AccountClaims,
          // On plain http browsers would not keep Secure cookies.
          cookies: { secure: false },
        }),
        AccountModule.forRoot({
          baseUrl,
          serviceName: 'The Garden',
          pages: { logIn: '/' },
          mail: { from: 'The Garden <no-reply@garden.example>', smtp },
        }),
      ],
      controllers: [MailsController],
      providers: [{ provide: MailCatcher, useValue: catcher }],
    };
  }
}
