import { describe, expect, it } from '@jest/globals';
import { compileAsConsumer } from '../support/compile.js';

const APPLICATION = `
  import { Controller, Injectable, Module, Param, Post, UseGuards } from '@nestjs/common';
  import { TypeOrmModule } from '@nestjs/typeorm';
  import { SESSION_MIGRATIONS, SessionGuard, SessionModule } from 'nestjs-jwt-session';
  import {
    ACCOUNT_MIGRATIONS, AccountClaims, AccountController, AccountEntity, AccountModule, AccountService, AccountStore,
    AttemptStore, Mailer, PasswordHasher, type Account, type AccountChanges, type AccountEvent,
    type AccountModuleOptions, type AccountOptionsFactory, type AccountTransaction, type Mail, type MailTemplates,
  } from 'nestjs-jwt-session/accounts';
  import { accountStoreContract } from 'nestjs-jwt-session/accounts/testing';
  import { Column, Entity } from 'typeorm';

  @Entity({ name: 'customer' })
  export class Customer extends AccountEntity {
    @Column({ type: 'text', nullable: true })
    company: string | null;
  }

  @Injectable()
  export class Postman extends Mailer {
    async send(mail: Mail): Promise<void> {
      console.log(mail.name);
    }
  }

  @Controller('admin')
  @UseGuards(SessionGuard)
  export class AdminController {
    constructor(private readonly accounts: AccountService, private readonly attempts: AttemptStore) {}

    @Post('accounts/:id/disable')
    disable(@Param('id') id: string): Promise<boolean> {
      return this.accounts.disable(id);
    }
  }

  @Controller('me')
  export class Mine extends AccountController {}

  @Injectable()
  export class Claims extends AccountClaims {}

  @Injectable()
  export class Options implements AccountOptionsFactory {
    createAccountOptions(): AccountModuleOptions {
      const templates: Partial<MailTemplates> = {
        resetPassword: ({ link }) => ({ subject: 'Hello', text: link, html: link }),
      };
      return { baseUrl: 'https://example.com', mail: { from: 'no-reply@example.com', mailer: Postman, templates } };
    }
  }

  export function log(event: AccountEvent): string {
    return event.type === 'mail.failed' ? event.error : event.type;
  }

  export abstract class Store extends AccountStore {
    async insert(account: Account, transaction?: AccountTransaction): Promise<boolean> {
      return account.id !== '' && transaction?.manager !== undefined;
    }
    async update(id: string, { role }: AccountChanges): Promise<void> {
      console.log(id, role);
    }
  }

  export const tests = (store: AccountStore) => accountStoreContract(() => store).map(({ name, run }) => [name, run]);

  @Module({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS] }),
      SessionModule.forRoot({ secret: process.env.SESSION_SECRET, claims: AccountClaims }),
      AccountModule.forRootAsync({ useClass: Options, entity: Customer, controller: false }),
    ],
    providers: [{ provide: PasswordHasher, useValue: undefined }],
  })
  export class AppModule {}
`;

describe('the published types of accounts', () => {
  it('serve an application on the Nest starter’s tsconfig, without any optional package', () => {
    expect(compileAsConsumer(APPLICATION.replace('company: string', 'company!: string'))).toEqual([]);
  });

  it('refuse its mistakes', () => {
    expect(compileAsConsumer(APPLICATION.replace("baseUrl: 'https", "baseURL: 'https"))).not.toEqual([]);
  });
});
