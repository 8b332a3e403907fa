import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ConsoleLogger, Controller, Injectable, RequestMethod } from '@nestjs/common';
import { IsOptional, IsString, MinLength, ValidateBy } from 'class-validator';
import { Column, DeleteDateColumn, Entity } from 'typeorm';
import { SESSION_ENTITIES, SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';
import {
  ACCOUNT_ENTITIES,
  type Account,
  ACCOUNT_MIGRATIONS,
  AccountController,
  AccountEntity,
  AccountModule,
  type AccountModuleOptions,
  AccountStore,
  type AccountTransaction,
  CredentialsDto,
  EmailTakenError,
} from 'nestjs-jwt-session/accounts';
import { accountStoreContract } from 'nestjs-jwt-session/accounts/testing';
import { resolveAccountOptions } from '../../lib/accounts/options/resolve-account-options.js';
import { refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';
import { until } from '../support/until.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD, withFastHashes } from './account-app.js';
import { tokenOf } from './inbox.js';

const REQUIRED = { baseUrl: 'https://garden.example', mail: { from: 'x@garden.example' } };

/** By a list, because what other applications of this process have loaded counts for `autoLoadEntities`. */
function withEntity(own: typeof AccountEntity) {
  return {
    autoLoadEntities: false,
    entities: [...SESSION_ENTITIES, own, ...ACCOUNT_ENTITIES.filter(entity => entity !== AccountEntity)],
    synchronize: true,
    migrations: [],
  };
}

describe('options of AccountModule', () => {
  const mistake = (options: unknown, environment = {}) => {
    try {
      resolveAccountOptions(options as AccountModuleOptions, environment);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };

  it('have defaults, except who sends and where the application is', () => {
    expect(mistake(REQUIRED)).toBeUndefined();
    expect(mistake({})).toContain('option "baseUrl": write the address');
    expect(mistake({})).toContain('option "mail.from": write the sender');
    expect(mistake({ baseUrl: 'https://x.de', mail: {} })).toContain('option "mail.from": write the sender');
    expect(resolveAccountOptions(REQUIRED, {})).toMatchObject({
      serviceName: 'garden.example',
      password: { minLength: 15, memoryCost: 19456, timeCost: 2, parallelism: 1, peppers: [], onChange: 'end-others' },
      tokens: { recovery: 3_600_000 },
      requireVerified: true,
    });
  });

  it.each([
    [{ baseUrl: 'garden.example' }, 'option "baseUrl"'],
    [{ baseUrl: 'https://garden.example/?a=b' }, 'option "baseUrl"'],
    [{ password: { minLength: 7 } }, 'option "password.minLength": write a whole number from 8 to 64'],
    [{ password: { maxLength: 63 } }, 'option "password.maxLength": write a whole number from 64'],
    [{ password: { memoryCost: 8192 } }, "weaker than OWASP's: write at least one of 47104 and 1, 19456 and 2"],
    [{ password: { pepper: 'short' } }, 'option "password.pepper": write a random string of at least 32 bytes'],
    [{ password: { pepper: 'database' } }, 'option "password.pepper"'],
    [{ password: { onChange: 'all' } }, 'option "password.onChange"'],
    [{ password: { minlength: 8 } }, 'unknown option "password.minlength"'],
    [{ tokens: { recovery: 3600 } }, 'option "tokens.recovery": write a duration with a unit'],
    [{ tokens: { recovery: '2d' } }, 'option "tokens.recovery": write \'24h\' or less'],
    [
      { attempts: { logIn: { perAccount: 0 } } },
      'option "attempts.logIn.perAccount": write a whole number from 1 to 100',
    ],
    [{ pages: { logIn: 'login' } }, 'option "pages.logIn": write a path of the application'],
    [{ mail: { ...REQUIRED.mail, smtp: 'http://x' } }, 'option "mail.smtp": write a URL such as'],
    [
      { mail: { ...REQUIRED.mail, smtp: 'smtp://x', folder: 'y' } },
      'options "mail.smtp" and "mail.folder": write one of them',
    ],
    [{ mail: { from: 'x\nBcc: all@example.com' } }, 'option "mail.from"'],
    [{ mail: { ...REQUIRED.mail, templates: { resetPassword: 'text' } } }, 'option "mail.templates"'],
    [{ store: class {} }, 'option "store" is static'],
  ])('%j is refused at start', (given, message) => {
    expect(mistake({ ...REQUIRED, ...given })).toContain(message);
  });

  it('in production a mail server and https are needed', () => {
    const production = { NODE_ENV: 'production' };
    expect(mistake(REQUIRED, production)).toContain('option "mail.smtp" (or "mail.mailer") is missing');
    const smtp = { from: 'x@garden.example', smtp: 'smtps://mail.example' };
    expect(mistake({ baseUrl: 'http://garden.example', mail: smtp }, production)).toContain('option "baseUrl" is http');
    expect(mistake({ baseUrl: 'http://127.evil.example', mail: smtp }, production)).toContain(
      'option "baseUrl" is http',
    );
    expect(mistake({ baseUrl: 'http://localhost:3000', mail: smtp }, production)).toBeUndefined();
    expect(mistake({ baseUrl: 'https://garden.example', mail: smtp }, production)).toBeUndefined();
  });

  it.each([
    [{ controller: { path: '' } }, 'option "controller"'],
    [{ entity: class {} }, 'option "entity": write a class that extends AccountEntity'],
    [{ store: class {} }, 'option "store": write a class that extends AccountStore'],
    [{ dataSource: 7 }, 'option "dataSource"'],
  ])('static ones are checked when the module is declared: %p', (given, message) => {
    expect(() => AccountModule.forRoot({ ...REQUIRED, ...given } as never)).toThrow(message);
  });
});

describe('AccountModule', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  const migrations = [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS];
  const sessions = () => SessionModule.forRoot({ secret: SECRET });

  it('says what to add where the tables or the entities are missing', async () => {
    const accounts = () => AccountModule.forRoot(REQUIRED);
    const withoutTables = startApplication({ imports: [typeOrmOn(database), sessions(), accounts()] });
    expect(await refusalOf(withoutTables)).toContain('add ...ACCOUNT_MIGRATIONS to the data source\'s "migrations"');
  });

  it('forRootAsync takes a factory; the path follows the option, a global prefix and a strict pipe', async () => {
    const { app, url } = await startApplication({
      imports: [
        typeOrmOn(database, { migrations }),
        sessions(),
        AccountModule.forRootAsync({ useFactory: async () => REQUIRED, controller: { path: 'people' } }),
      ],
      override: withFastHashes,
      configure: nest => nest.setGlobalPrefix('api', { exclude: [{ path: 'health', method: RequestMethod.GET }] }),
    });
    const body = { email: 'nobody@example.com', password: PASSWORD };
    expect((await send(`${url}/api/people/login`, { method: 'POST', body })).body.errorCode).toBe(
      'invalid_credentials',
    );
    expect((await send(`${url}/account/login`, { method: 'POST', body })).status).toBe(404);
    expect(() => AccountModule.forRootAsync({})).toThrow('needs one of useFactory');
    await app.close();
  });

  it('a second forRoot is refused at start', async () => {
    const imports = [typeOrmOn(database, { migrations }), sessions()];
    const twice = [AccountModule.forRoot(REQUIRED), AccountModule.forRoot({ ...REQUIRED, requireVerified: false })];
    const message = await refusalOf(startApplication({ imports: [...imports, ...twice] }));
    expect(message).toContain('AccountModule.forRoot is called twice');
    expect(message).toContain('keep one call');
  });

  it('requireVerified: false admits users who have only registered', async () => {
    const app = await AccountApp.start({ accounts: { requireVerified: false } });
    await app.register('ada@example.com');
    const client = await app.loggedIn('ada@example.com');
    expect((await client.send('/account')).body).toMatchObject({ email: 'ada@example.com', verified: false });
    await app.close();
  });

  it('controller: false mounts nothing, and a subclass takes its place', async () => {
    @Controller('me')
    class Mine extends AccountController {}

    const app = await AccountApp.start({ accounts: { controller: false }, controllers: [Mine] });
    const url = app.test.url;
    expect((await send(`${url}/account`)).status).toBe(404);
    expect((await send(`${url}/me`)).body.errorCode).toBe('session_missing');
    expect((await send(`${url}/me`, { method: 'DELETE' })).body.errorCode).toBe('session_missing');
    await app.close();
  });
});

describe('accounts of the application’s own', () => {
  @Entity({ name: 'customer' })
  class Customer extends AccountEntity {
    @Column({ type: 'text', nullable: true })
    company!: string | null;
  }

  it('with more columns are registered, logged in and exported', async () => {
    const app = await AccountApp.start({
      accounts: { entity: Customer },
      typeorm: withEntity(Customer),
    });
    await app.register('ada@example.com');
    const token = tokenOf(await app.verificationMail('ada@example.com'));
    await app.post('verify-email', { token, password: PASSWORD });
    await app.test.database.query("UPDATE customer SET company = 'Engines'");
    const client = await app.loggedIn('ada@example.com');
    const { account } = (await client.send('/account/export')).body as unknown as { account: object };
    expect(account).toMatchObject({ email: 'ada@example.com', company: 'Engines' });
    expect(account).not.toHaveProperty('passwordHash');
    await app.close();
  });

  it('take fields of the application at a registration, each checked by its decorators', async () => {
    class RegisterDto extends CredentialsDto {
      @IsString()
      @MinLength(2)
      // A check that asks a database, such as one of an invitation.
      @ValidateBy({
        name: 'uninvited',
        async: true,
        validator: { validate: value => Promise.resolve(value !== 'Strangers') },
      })
      company!: string;
    }
    const app = await AccountApp.start({
      accounts: { entity: Customer, registration: RegisterDto },
      typeorm: withEntity(Customer),
    });
    const body = { email: 'ada@example.com', password: PASSWORD };
    expect(await app.post('register', { ...body, company: 'x' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'company', reason: 'minLength' }] },
    });
    expect(await app.post('register', { ...body, company: 'Strangers' })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'company', reason: 'uninvited' }] },
    });
    expect((await app.post('register', { ...body, company: 'Engines', role: 'admin' })).status).toBe(400);
    expect((await app.post('register', { ...body, company: 'Engines' })).status).toBe(202);
    expect(await app.test.database.query('SELECT company, role FROM customer')).toEqual([
      { company: 'Engines', role: 'user' },
    ]);
    expect((await app.post('login', { ...body, company: 'Engines' })).status).toBe(400);
    await app.close();
  });

  it('take the fields of the registration whose password is proved', async () => {
    class RegisterDto extends CredentialsDto {
      @IsString()
      company!: string;
      // No column: it is checked only.
      @IsString()
      @IsOptional()
      invitation?: string;
      // A member that the module sets by itself.
      @IsString()
      @IsOptional()
      role?: string;
    }
    const app = await AccountApp.start({
      accounts: { entity: Customer, registration: RegisterDto },
      typeorm: withEntity(Customer),
    });
    /** A stranger registers the address, and then its owner. */
    async function registerTwice(email: string): Promise<string> {
      await app.post('register', { email, password: OTHER_PASSWORD, company: 'Strangers' });
      const own = { email, password: PASSWORD, company: 'Engines', role: 'admin', invitation: 'seven' };
      expect((await app.post('register', own)).status).toBe(202);
      return tokenOf(await app.verificationMail(email, 2));
    }
    const stored = (email: string) =>
      app.test.database.query('SELECT company, role FROM customer WHERE email = $1', [email]);

    const token = await registerTwice('ada@example.com');
    expect((await app.post('verify-email', { token, password: PASSWORD })).status).toBe(200);
    expect(await stored('ada@example.com')).toEqual([{ company: 'Engines', role: 'user' }]);

    // With a new password no registration wins: the account stays as it is.
    const other = await registerTwice('eve@example.com');
    expect((await app.post('verify-email', { token: other, newPassword: PASSWORD })).status).toBe(200);
    expect(await stored('eve@example.com')).toEqual([{ company: 'Strangers', role: 'user' }]);

    // Of two registrations with one password the later one corrects the earlier one.
    for (const company of ['Enigmas', 'Engines'])
      await app.post('register', { email: 'joan@example.com', password: PASSWORD, company });
    const last = tokenOf(await app.verificationMail('joan@example.com', 2));
    expect((await app.post('verify-email', { token: last, password: PASSWORD })).status).toBe(200);
    expect(await stored('joan@example.com')).toEqual([{ company: 'Engines', role: 'user' }]);
    await app.close();
  });

  it('that are deleted softly keep their address: a registration is refused with an event', async () => {
    @Entity({ name: 'member' })
    class Member extends AccountEntity {
      @DeleteDateColumn({ name: 'deleted_at' })
      deletedAt!: Date | null;
    }
    const app = await AccountApp.start({
      accounts: { entity: Member },
      typeorm: withEntity(Member),
    });
    await app.verified('ada@example.com');
    await app.test.database.query('UPDATE member SET deleted_at = now()');
    expect((await app.register('ada@example.com')).status).toBe(202);
    await until(async () => app.accountEvents.some(({ type }) => type === 'account.registration-blocked'));
    await app.register('grace@example.com');
    await app.verificationMail('grace@example.com');
    const blocked = app.accountEvents.filter(({ type }) => type === 'account.registration-blocked');
    expect(blocked).toEqual([{ type: 'account.registration-blocked', mailId: expect.any(String) }]);
    await app.close();
  });

  /** Kept in memory: one process, one turn of the event loop at a time. */
  @Injectable()
  class MemoryStore extends AccountStore {
    private readonly accounts = new Map<string, Account>();
    private readonly queues = new Map<string, Promise<unknown>>();

    async insert(account: Account): Promise<boolean> {
      const taken = [...this.accounts.values()].some(({ emailKey }) => emailKey === account.emailKey);
      if (!taken) this.accounts.set(account.id, { ...account });
      return !taken;
    }

    async findById(id: string): Promise<Account | null> {
      return this.accounts.get(id) ?? null;
    }

    async findByEmail(emailKey: string): Promise<Account | null> {
      return [...this.accounts.values()].find(account => account.emailKey === emailKey) ?? null;
    }

    async change<T>(
      id: string,
      run: (account: Account, transaction: AccountTransaction) => Promise<T>,
    ): Promise<T | null> {
      const before = this.queues.get(id);
      const turn = (async () => {
        await before?.catch(() => undefined);
        const account = this.accounts.get(id);
        if (!account) return null;
        try {
          return await run(account, {});
        } catch (error) {
          this.accounts.set(id, account);
          throw error;
        }
      })();
      this.queues.set(id, turn);
      return turn;
    }

    async update(id: string, changes: Partial<Account>): Promise<void> {
      const { emailKey } = changes;
      const owner = emailKey === undefined ? null : await this.findByEmail(emailKey);
      if (owner && owner.id !== id) throw new EmailTakenError();
      const account = this.accounts.get(id);
      if (account) this.accounts.set(id, { ...account, ...changes });
    }

    async removeUnused(createdBefore: Date): Promise<number> {
      const unused = [...this.accounts.values()].filter(
        ({ verifiedAt, firstLogInAt, disabledAt, createdAt }) =>
          !verifiedAt && !firstLogInAt && !disabledAt && createdAt < createdBefore,
      );
      for (const { id } of unused) this.accounts.delete(id);
      return unused.length;
    }

    async findOldest(limit: number): Promise<Account[]> {
      return [...this.accounts.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
    }

    async remove(id: string): Promise<void> {
      this.accounts.delete(id);
    }
  }

  for (const { name, run } of accountStoreContract(
    (
      store => () =>
        store
    )(new MemoryStore()),
  )) {
    it(`in memory: ${name}`, run);
  }

  it('in a store of its own are registered, logged in, reset and disabled', async () => {
    const app = await AccountApp.start({ accounts: { store: MemoryStore } });
    await app.register('ada@example.com');
    await app.post('verify-email', {
      token: tokenOf(await app.verificationMail('ada@example.com')),
      password: PASSWORD,
    });
    const client = await app.loggedIn('ada@example.com');
    const { id } = (await client.send('/account')).body as { id: string };
    const token = await app.recoveryToken('ada@example.com');
    expect((await app.post('reset-password', { token, password: OTHER_PASSWORD })).status).toBe(204);
    expect((await client.send('/account')).status).toBe(401);
    const again = await app.loggedIn('ada@example.com', OTHER_PASSWORD);
    await app.accounts.disable(id);
    expect((await again.send('/account')).status).toBe(401);
    expect(await app.test.database.query('SELECT 1 FROM jwt_account')).toEqual([]);
    await app.close();
  });
});

describe('what is told of accounts', () => {
  it('L01: logs and events contain no password, token, hash or address; L02: logins, refusals and ends do', async () => {
    const lines: string[] = [];
    const line = (...parts: unknown[]) => void lines.push(parts.map(String).join(' '));
    const logger = { log: line, error: line, warn: line, debug: line, verbose: line, fatal: line };
    const app = await AccountApp.start({ configure: nest => nest.useLogger(logger as unknown as ConsoleLogger) });
    const id = await app.verified('ada@example.com');
    const client = await app.loggedIn('ada@example.com');
    await app.post('login', { email: 'ada@example.com', password: OTHER_PASSWORD });
    await app.post('login', { email: 'nobody@example.com', password: OTHER_PASSWORD });
    const body = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD };
    await client.send('/account/password', { method: 'POST', body });
    const token = await app.recoveryToken('ada@example.com');
    await app.post('reset-password', { token, password: PASSWORD });
    await app.accounts.disable(id);
    await app.post('login', { email: 'ada@example.com', password: PASSWORD });
    await app.accounts.enable(id);
    await app.accounts.delete(id);
    await app.outbox.drain();

    const told = app.accountEvents.filter(({ type }) => type.startsWith('account.'));
    expect(told).toEqual([
      { type: 'account.registered', accountId: id },
      { type: 'account.verified', accountId: id },
      { type: 'account.logged-in', accountId: id, sessionId: expect.any(String) },
      { type: 'account.refused', code: 'invalid_credentials', accountId: id },
      { type: 'account.refused', code: 'invalid_credentials' },
      { type: 'account.password-changed', accountId: id, cause: 'change', ended: 0 },
      { type: 'account.password-changed', accountId: id, cause: 'reset', ended: 1 },
      { type: 'account.disabled', accountId: id, ended: 0 },
      { type: 'account.refused', code: 'account_disabled', accountId: id },
      { type: 'account.enabled', accountId: id },
      { type: 'account.deleted', accountId: id, ended: 0 },
    ]);
    const everything = `${lines.join('\n')}${JSON.stringify(app.accountEvents)}`;
    expect(lines.length).toBeGreaterThan(10);
    const hidden = [PASSWORD, OTHER_PASSWORD, token, client.accessToken, client.refreshToken, 'argon2', '@example.com'];
    for (const secret of hidden) expect(everything).not.toContain(secret);
    await app.close();
  });

  it('a token lies in the database as a hash only, and in no queue', async () => {
    const app = await AccountApp.start();
    await app.register('ada@example.com');
    const token = tokenOf(await app.verificationMail('ada@example.com'));
    for (const table of ACCOUNT_ENTITIES.map(tableOf)) {
      const rows = await app.test.database.query(`SELECT ${table}::text AS row FROM ${table}`);
      const raw = Buffer.from(token, 'base64url').toString('hex');
      expect(JSON.stringify(rows)).not.toMatch(new RegExp(`${token}|${raw}|${PASSWORD}`));
    }
    await app.close();
  });
});

const tableOf = (entity: { name: string }) =>
  entity.name
    .replace('Entity', '')
    .replaceAll(/[A-Z]/g, (letter, at: number) => (at ? '_' : 'jwt_') + letter.toLowerCase());
