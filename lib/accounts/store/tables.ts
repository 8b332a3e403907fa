import type { DataSource, EntityMetadata } from 'typeorm';
import type { ExpectedTable } from '../../common/missing-schema.js';
import { tableName } from '../../common/sql.js';
import { AccountAttemptEntity } from './account-attempt.entity.js';
import { AccountMailEntity } from './account-mail.entity.js';
import { AccountRegistrationEntity } from './account-registration.entity.js';
import { AccountTokenEntity } from './account-token.entity.js';
import { AccountEntity } from './account.entity.js';

/** The tables' names as SQL writes them. */
export interface AccountTables {
  /** Undefined where the application has a store of its own. */
  readonly account?: string;
  readonly registration: string;
  readonly token: string;
  readonly mail: string;
  readonly attempt: string;
}

export function accountTables(dataSource: DataSource): AccountTables {
  const account = accountMetadata(dataSource);
  return {
    account: account && tableName(account),
    registration: tableName(dataSource.getMetadata(AccountRegistrationEntity)),
    token: tableName(dataSource.getMetadata(AccountTokenEntity)),
    mail: tableName(dataSource.getMetadata(AccountMailEntity)),
    attempt: tableName(dataSource.getMetadata(AccountAttemptEntity)),
  };
}

/** The same tables with the columns that the statements name. */
export function expectedTables(dataSource: DataSource): ExpectedTable[] {
  const { account, registration, token, mail, attempt } = accountTables(dataSource);
  const metadata = accountMetadata(dataSource);
  const own = [
    { path: registration, entity: AccountRegistrationEntity },
    { path: token, entity: AccountTokenEntity },
    { path: mail, entity: AccountMailEntity },
    { path: attempt, entity: AccountAttemptEntity },
  ].map(({ path, entity }) => ({ path, metadata: dataSource.getMetadata(entity), declaredBy: entity }));
  return account && metadata ? [{ path: account, metadata, declaredBy: AccountEntity }, ...own] : own;
}

/** Of `AccountEntity`, or of the application's class that extends it. */
function accountMetadata({ entityMetadatas }: DataSource): EntityMetadata | undefined {
  return entityMetadatas.find(
    ({ target }) =>
      target === AccountEntity || (typeof target === 'function' && target.prototype instanceof AccountEntity),
  );
}
