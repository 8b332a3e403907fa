import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Post, Req, UseGuards } from '@nestjs/common';
import connectPgSimple from 'connect-pg-simple';
import type { Request } from 'express';
import session from 'express-session';
import { Pool } from 'pg';
import { CurrentSession, SessionGuard, SessionModule, SessionService, UserSession } from 'nestjs-jwt-session';
import { startApplication, typeOrmOn } from '../support/application.js';
import { CookieClient } from '../support/client.js';
import { dataSourceOn, driftOf } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { SECRET, startTestApp, type TestApp } from '../support/test-app.js';

const PgStore = connectPgSimple(session);

declare module 'express-session' {
  interface SessionData {
    cart: string[];
  }
}

/** Uses express-session for a cart, as an application does that has it already. */
@Controller()
class CartController {
  @Post('cart')
  add(@Req() request: Request) {
    request.session.cart = [...(request.session.cart ?? []), 'book'];
    return request.session.cart;
  }

  @Get('cart')
  @UseGuards(SessionGuard)
  show(@Req() request: Request, @CurrentSession() current: UserSession) {
    return { userId: current.userId, cart: request.session.cart };
  }
}

function withExpressSession(database: TestDatabase, pools: Pool[]) {
  return (app: INestApplication) => {
    const pool = new Pool({ connectionString: database.url });
    pools.push(pool);
    const store = new PgStore({ pool, createTableIfMissing: true, pruneSessionInterval: false });
    app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false }));
  };
}

describe('beside express-session', () => {
  let test: TestApp;
  const pools: Pool[] = [];
  beforeAll(async () => {
    const database = await TestDatabase.create();
    test = await startTestApp({
      database,
      controllers: [CartController],
      configure: withExpressSession(database, pools),
    });
  });
  afterAll(async () => {
    await test?.app.close();
    await Promise.all(pools.map(pool => pool.end()));
    await test?.database.drop();
  });

  it('request.session and our session live side by side', async () => {
    const client = new CookieClient(test.url);
    await client.send('/cart', { method: 'POST' });
    await client.logIn('ada');
    await client.send('/cart', { method: 'POST' });
    expect((await client.send('/cart')).body).toEqual({ userId: 'ada', cart: ['book', 'book'] });

    await client.send('/session/logout', { method: 'POST' });
    expect((await client.send('/cart')).status).toBe(401);
    await client.logIn('grace');
    expect((await client.send('/cart')).body).toEqual({ userId: 'grace', cart: ['book', 'book'] });
  });
});

describe('beside the table of connect-pg-simple nothing is lost', () => {
  let database: TestDatabase;
  const pools: Pool[] = [];
  beforeEach(async () => {
    database = await TestDatabase.create();
  });
  afterEach(async () => {
    await Promise.all(pools.splice(0).map(pool => pool.end()));
    await database.drop();
  });

  @Module({ controllers: [CartController] })
  class CartModule {}

  async function runOurs(typeorm: object, expressSession: boolean): Promise<void> {
    const { app, url } = await startApplication({
      imports: [typeOrmOn(database, typeorm), SessionModule.forRoot({ secret: SECRET }), CartModule],
      configure: expressSession ? withExpressSession(database, pools) : undefined,
    });
    await app.get(SessionService).logIn('ada');
    if (expressSession) expect((await new CookieClient(url).send('/cart', { method: 'POST' })).status).toBe(201);
    await app.close();
  }

  const counts = async () => ({
    theirs: (await database.query('SELECT sess FROM session')).length,
    ours: (await database.query('SELECT id FROM jwt_session')).length,
  });

  describe.each([
    ['migrations', {}],
    ['synchronize', { synchronize: true, migrations: [], migrationsRun: false }],
  ])('with %s', (_, typeorm) => {
    it('where theirs comes first', async () => {
      await database.query(
        `CREATE TABLE session (sid varchar NOT NULL COLLATE "default" CONSTRAINT session_pkey PRIMARY KEY,
           sess json NOT NULL, expire timestamp(6) NOT NULL);
         CREATE INDEX "IDX_session_expire" ON session (expire);
         INSERT INTO session VALUES ('sid', '{"cart":["book"]}', now() + interval '1 day')`,
      );
      await runOurs(typeorm, true);
      expect(await counts()).toEqual({ theirs: 2, ours: 1 });
      expect(await database.query(`SELECT sess->'cart' AS cart FROM session WHERE sid = 'sid'`)).toEqual([
        { cart: ['book'] },
      ]);
    });

    it('where ours comes first', async () => {
      await runOurs(typeorm, false);
      await runOurs(typeorm, true);
      await runOurs(typeorm, true);
      expect(await counts()).toEqual({ theirs: 2, ours: 3 });
    });

    it('and there is no drift', async () => {
      await runOurs(typeorm, true);
      const dataSource = await dataSourceOn(database).initialize();
      expect(await driftOf(dataSource)).toEqual([]);
      await dataSource.destroy();
    });
  });
});
