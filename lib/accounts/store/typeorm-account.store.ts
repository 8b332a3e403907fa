import { Inject, Injectable } from '@nestjs/common';
import { IsNull, LessThan, type SelectQueryBuilder } from 'typeorm';
import { milliseconds } from '../../common/sql.js';
import { isUuid } from '../../common/uuid.js';
import { ACCOUNT_ENTITY } from '../account.constants.js';
import { EmailTakenError } from '../account.errors.js';
import type { Account, AccountChanges, AccountTransaction } from '../account.types.js';
import { AccountDatabase } from './account.database.js';
import type { AccountEntity } from './account.entity.js';
import { AccountStore } from './account.store.js';

// PostgreSQL manual, appendix A.
const UNIQUE_VIOLATION = '23505';

/** Read as numbers: the server's `DateStyle` and the application's type parsers decide in which form dates arrive. */
const DATES = ['verifiedAt', 'disabledAt', 'firstLogInAt', 'createdAt'] as const;

function datesOf(row: Record<string, unknown>): Record<string, Date | null> {
  return Object.fromEntries(DATES.map(name => [name, row[name] === null ? null : new Date(Number(row[name]))]));
}

type Narrow = (select: SelectQueryBuilder<AccountEntity>) => SelectQueryBuilder<AccountEntity>;

/** Accounts in the data source's database, as `AccountEntity` or a class that extends it. */
@Injectable()
export class TypeOrmAccountStore extends AccountStore {
  constructor(
    private readonly database: AccountDatabase,
    @Inject(ACCOUNT_ENTITY) private readonly entity: typeof AccountEntity,
  ) {
    super();
  }

  async insert(account: Account, transaction?: AccountTransaction): Promise<boolean> {
    const { raw } = await this.run(transaction, accounts =>
      accounts
        .insert()
        .values({ ...account })
        .orIgnore()
        .returning('id')
        .execute(),
    );
    return (raw as unknown[]).length > 0;
  }

  async findById(id: string): Promise<Account | null> {
    return isUuid(id) ? this.one(select => select.where({ id })) : null;
  }

  findByEmail(emailKey: string): Promise<Account | null> {
    return this.one(select => select.where({ emailKey }));
  }

  async change<T>(
    id: string,
    run: (account: Account, transaction: AccountTransaction) => Promise<T>,
  ): Promise<T | null> {
    if (!isUuid(id)) return null;
    return this.database.transaction(async transaction => {
      const account = await this.one(select => select.where({ id }).setLock('pessimistic_write'), transaction);
      return account && run(account, transaction);
    });
  }

  async update(id: string, changes: AccountChanges, transaction?: AccountTransaction): Promise<void> {
    // A field of a registration need not be a column. TypeORM leaves it out of an insert and refuses it in an update.
    const { metadata } = this.database.dataSource.getRepository(this.entity);
    const isColumn = ([name]: [string, unknown]) => metadata.findColumnWithPropertyName(name) !== undefined;
    const columns: AccountChanges = Object.fromEntries(Object.entries(changes).filter(isColumn));
    try {
      await this.run(transaction, accounts => accounts.update().set(columns).where({ id }).execute());
    } catch (error) {
      if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw new EmailTakenError();
      throw error;
    }
  }

  async remove(id: string, transaction?: AccountTransaction): Promise<void> {
    await this.run(transaction, accounts => accounts.delete().where({ id }).execute());
  }

  async removeUnused(createdBefore: Date): Promise<number> {
    const unused = {
      verifiedAt: IsNull(),
      firstLogInAt: IsNull(),
      disabledAt: IsNull(),
      createdAt: LessThan(createdBefore),
    };
    const { affected } = await this.run({}, accounts => accounts.delete().where(unused).execute());
    return affected ?? 0;
  }

  findOldest(limit: number): Promise<Account[]> {
    return this.many(select => select.orderBy('account.id').limit(limit));
  }

  private async one(narrow: Narrow, transaction?: AccountTransaction): Promise<Account | null> {
    const [account] = await this.many(narrow, transaction);
    return account ?? null;
  }

  private async many(narrow: Narrow, transaction?: AccountTransaction): Promise<Account[]> {
    const { entities, raw } = await this.run(transaction, accounts => {
      const select = accounts.addSelect('account.passwordHash');
      const withDates = DATES.reduce((query, name) => query.addSelect(milliseconds(`account.${name}`), name), select);
      return narrow(withDates).getRawAndEntities<Record<string, unknown>>();
    });
    return entities.map((account, index) => Object.assign(account, datesOf(raw[index]!)));
  }

  private run<T>(
    transaction: AccountTransaction | undefined,
    use: (accounts: SelectQueryBuilder<AccountEntity>) => Promise<T>,
  ): Promise<T> {
    // The alias would otherwise be the class name, which minifiers may remove.
    return this.database.run(transaction, manager =>
      use(manager.getRepository(this.entity).createQueryBuilder('account')),
    );
  }
}
