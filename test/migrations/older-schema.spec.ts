import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Column, Entity } from 'typeorm';
import { SessionModule, SessionService } from 'nestjs-jwt-session';
import { ACCOUNT_ENTITIES, AccountEntity } from 'nestjs-jwt-session/accounts';
import { AccountDatabase } from '../../lib/accounts/store/account.database.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { dataSourceOn } from '../support/data-source.js';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';

@Entity({ name: 'customer' })
class Customer extends AccountEntity {
  @Column({ type: 'text', nullable: true })
  company!: string | null;
}

// Found at start, not by the first request that needs the column.
describe('on the tables of an older version an application', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await TestDatabase.create();
  });
  afterEach(() => database.drop());

  const start = (typeorm: object = {}) =>
    startApplication({ imports: [typeOrmOn(database, typeorm), SessionModule.forRoot({ secret: SECRET })] });

  const make = async (typeorm: object = {}) => {
    const { app } = await start(typeorm);
    await app.close();
  };

  it.each([
    [{}, 'jwt_session', '"jwt_session"'],
    [{ schema: 'auth', entityPrefix: 'shop_' }, 'auth.shop_jwt_session', '"auth"."shop_jwt_session"'],
  ])('with %j does not start, and says which columns are missing and what to run', async (place, table, named) => {
    await database.query('CREATE SCHEMA auth');
    await make(place);
    await database.query(`ALTER TABLE ${table} DROP COLUMN label, DROP COLUMN ip`);
    await database.query(`ALTER TABLE ${table}_key DROP COLUMN distrusted_at`);
    const message = await refusalOf(start(place));
    expect(message).toContain(`the database lacks column ip, label of table ${named}, column distrusted_at of table`);
    expect(message).toContain('add ...SESSION_MIGRATIONS');
    expect(message).toContain('run them');
  });

  it('starts where there are more columns than it knows', async () => {
    await make();
    await database.query('ALTER TABLE jwt_session ADD COLUMN risk_score integer');
    const { app } = await start();
    await expect(app.get(SessionService).logIn('ada')).resolves.toBeDefined();
    await app.close();
  });

  it.each([
    ['jwt_account', AccountEntity],
    // What an application's own class adds is the application's business.
    ['customer', Customer],
  ])('with accounts in %s does not start either', async (table, entity) => {
    const others = ACCOUNT_ENTITIES.filter(one => one !== AccountEntity);
    const dataSource = await dataSourceOn(database, { entities: [entity, ...others], synchronize: true }).initialize();
    const accounts = new AccountDatabase(dataSource, new SessionTimers());
    expect(await accounts.gaps()).toEqual([]);
    if (entity === Customer) await database.query('ALTER TABLE customer DROP COLUMN company');
    await database.query(`ALTER TABLE ${table} DROP COLUMN role`);
    await database.query('ALTER TABLE jwt_account_mail DROP COLUMN failed_at');
    expect((await accounts.gaps()).sort()).toEqual([
      'column failed_at of table "jwt_account_mail"',
      `column role of table "${table}"`,
    ]);
    await dataSource.destroy();
  });
});
