import { Inject, Injectable } from '@nestjs/common';
import { type DataSource, type EntityManager, IsNull, LessThan, type SelectQueryBuilder } from 'typeorm';
import { milliseconds } from '../../common/sql.js';
import { isUuid } from '../../common/uuid.js';
import { ACCOUNT_DATA_SOURCE, ACCOUNT_ENTITY } from '../account.constants.js';
import { EmailTakenError } from '../account.errors.js';
import type { Account, AccountChanges, AccountTransaction } from '../account.types.js';
import type { AccountEntity } from './account.entity.js';
import { AccountStore } from './account.store.js';

// PostgreSQL manual, appendix A.
const UNIQUE_VIOLATION = '23505';

/** Read as numbers: the server's `DateStyle` and the application's type parsers decide in which form dates arrive. */
const DATES = ['verifiedAt', 'disabledAt', 'firstLogInAt', 'createdAt'] as const;

function datesOf(row: Record<string, unknown>): Record<string, Date | null> {
  return Object.fromEntries(DATES.map(name => [name, row[name] === null ? null : new Date(Number(row[name]))]));
}

/** Accounts in the data source's database, as `AccountEntity` or a class that extends it. */
@Injectable()
export class TypeOrmAccountStore extends AccountStore {
  constructor(
    @Inject(ACCOUNT_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(ACCOUNT_ENTITY) private readonly entity: typeof AccountEntity,
  ) {
    super();
  }

  async insert(account: Account, { manager }: AccountTransaction = {}): Promise<boolean> {
    const { raw } = await this.repository(manager)
      // The alias would otherwise be the class name, which minifiers may remove.
      .createQueryBuilder('account')
      .insert()
      .values({ ...account })
      .orIgnore()
      .returning('id')
      .execute();
    return (raw as unknown[]).length > 0;
  }

  async findById(id: string): Promise<Account | null> {
    return isUuid(id) ? this.one(this.select().where({ id })) : null;
  }

  findByEmail(emailKey: string): Promise<Account | null> {
    return this.one(this.select().where({ emailKey }));
  }

  async change<T>(
    id: string,
    run: (account: Account, transaction: AccountTransaction) => Promise<T>,
  ): Promise<T | null> {
    if (!isUuid(id)) return null;
    return this.dataSource.transaction('READ COMMITTED', async manager => {
      const account = await this.one(this.select(manager).where({ id }).setLock('pessimistic_write'));
      return account && run(account, { manager });
    });
  }

  async update(id: string, changes: AccountChanges, { manager }: AccountTransaction = {}): Promise<void> {
    try {
      await this.repository(manager).createQueryBuilder('account').update().set(changes).where({ id }).execute();
    } catch (error) {
      if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw new EmailTakenError();
      throw error;
    }
  }

  async remove(id: string, { manager }: AccountTransaction = {}): Promise<void> {
    await this.repository(manager).createQueryBuilder('account').delete().where({ id }).execute();
  }

  async removeUnused(createdBefore: Date): Promise<number> {
    const { affected } = await this.repository()
      .createQueryBuilder('account')
      .delete()
      .where({ verifiedAt: IsNull(), firstLogInAt: IsNull(), disabledAt: IsNull(), createdAt: LessThan(createdBefore) })
      .execute();
    return affected ?? 0;
  }

  findOldest(limit: number): Promise<Account[]> {
    return this.many(this.select().orderBy('account.id').limit(limit));
  }

  private select(manager?: EntityManager): SelectQueryBuilder<AccountEntity> {
    const select = this.repository(manager).createQueryBuilder('account').addSelect('account.passwordHash');
    return DATES.reduce((query, name) => query.addSelect(milliseconds(`account.${name}`), name), select);
  }

  private async one(select: SelectQueryBuilder<AccountEntity>): Promise<Account | null> {
    const [account] = await this.many(select);
    return account ?? null;
  }

  private async many(select: SelectQueryBuilder<AccountEntity>): Promise<Account[]> {
    const { entities, raw } = await select.getRawAndEntities<Record<string, unknown>>();
    return entities.map((account, index) => Object.assign(account, datesOf(raw[index]!)));
  }

  private repository(manager: EntityManager = this.dataSource.manager) {
    return manager.getRepository(this.entity);
  }
}
