import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, type ModuleMetadata, UseGuards } from '@nestjs/common';
import { SessionGuard, SessionModule, SessionService, type UserSession, CurrentSession } from 'nestjs-jwt-session';
import { AccountModule } from 'nestjs-jwt-session/accounts';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { Client } from 'pg';
import { tableOf } from '../docs/pages.js';
import { startApplication, typeOrmOn, refusalOf } from '../support/application.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET, startTestApp, type TestApp } from '../support/test-app.js';

@Controller()
class Guarded {
  @Get('guarded')
  @UseGuards(SessionGuard)
  guarded() {
    return {};
  }
}

@Module({ controllers: [Guarded] })
class Feature {}

@Controller()
class Injecting {
  constructor(readonly sessions: SessionService) {}
}

@Controller()
class Unguarded {
  @Get('unguarded')
  read(@CurrentSession() session: UserSession) {
    return session;
  }
}

const refused = (metadata: ModuleMetadata) => refusalOf(startApplication(metadata));

describe('what a newcomer forgets is named, with what to write', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database?.drop());

  it.each([
    ['SessionModule', SessionModule, Guarded],
    ['SessionModule', SessionModule, Injecting],
    ['SessionVerifierModule', SessionVerifierModule, Guarded],
    ['AccountModule', AccountModule, undefined],
  ])('forRoot of %s', async (name, module, controller) => {
    const controllers = controller ? [controller] : [];
    const sessions = module === AccountModule ? [SessionModule.forRoot({ secret: SECRET })] : [];
    const message = await refused({ imports: [typeOrmOn(database), ...sessions, module], controllers });
    expect(message).toBe(`${name} cannot start:\n  - write ${name}.forRoot({ … }) in "imports", not ${name}`);
  });

  it('the module of the guard', async () => {
    expect(await refused({ controllers: [Guarded] })).toMatch(/^SessionGuard cannot start:.*SessionModule\.forRoot/s);
    const sessions = SessionModule.forRoot({ secret: SECRET, isGlobal: false });
    expect(await refused({ imports: [typeOrmOn(database), sessions, Feature] })).toMatch(/isGlobal: false.*where the/);
  });

  it('the data source, with or without a name', async () => {
    expect(await refused({ imports: [SessionModule.forRoot({ secret: SECRET })] })).toMatch(
      /no TypeORM data source: import TypeOrmModule\.forRoot/,
    );
    const named = [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET, dataSource: 'sessions' })];
    expect(await refused({ imports: named })).toContain(`write name: 'sessions' in the TypeOrmModule.forRoot`);
  });

  it('the secret', async () => {
    const imports = [typeOrmOn(database), SessionModule.forRoot({ secret: undefined })];
    expect(await refused({ imports })).toContain('set the environment variable it is read from');
  });
});

describe.each(PLATFORMS)('what a newcomer reads in answers, on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform, controllers: [Unguarded] });
  });
  afterAll(() => test?.close());

  const messageOf = async (path: string, options: Parameters<typeof send>[1] = {}) =>
    (await send(`${test.url}${path}`, options)).body.message as string;

  it('without @UseGuards', async () => {
    expect(await messageOf('/unguarded')).toContain('Put @UseGuards(SessionGuard) on it');
  });

  it('on a page of another origin: trustedOrigins, and credentials', async () => {
    const headers = { origin: 'http://localhost:5173' };
    const message = await messageOf('/login', { method: 'POST', headers, body: { userId: 'ada' } });
    expect(message).toContain('origin http://localhost:5173 is not in trustedOrigins');
    expect(message).toContain('If the page is yours, write the origin into the option trustedOrigins');
    expect(await messageOf('/me', { headers })).toContain('fetch with credentials: "include"');
  });
});

/** What the database and its driver say, which only the documentation can explain. */
describe('docs/integrating.md: Why does it not start?', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database?.drop());

  const urlWith = (parts: object) => Object.assign(new URL(database.url), parts).href;
  const messages: Record<string, () => string> = {
    ECONNREFUSED: () => urlWith({ hostname: '127.0.0.1', port: '1' }),
    'password authentication failed': () => urlWith({ password: 'wrong' }),
    'client password must be a string': () => urlWith({ password: '' }),
    'database "…" does not exist': () => urlWith({ pathname: 'nowhere' }),
  };

  it('explains these messages, and no others', () => {
    const rows = tableOf('docs/integrating.md', 'message', 'reason', 'what to do');
    expect(rows.map(([message]) => message)).toEqual(Object.keys(messages));
  });

  it.each(Object.entries(messages))('%s', async (message, url) => {
    const client = new Client({ connectionString: url() });
    const said = await client.connect().catch((error: unknown) => (error as Error).message);
    // A connection that waits for its password would hold up the removal of the database.
    await client.end();
    expect(said).toMatch(new RegExp(message.replace('…', '.*')));
  });
});
