import type { DataSource, EntityTarget } from 'typeorm';
import { SessionEntity } from './entities/session.entity.js';
import { SigningKeyEntity } from './entities/signing-key.entity.js';
import { UserAuthEntity } from './entities/user-auth.entity.js';

/** The tables' names as SQL writes them, with the data source's `schema` and `entityPrefix`. */
export interface SessionTables {
  readonly session: string;
  readonly userAuth: string;
  readonly signingKey: string;
  /** Names this process in its notifications; null where statements send none. */
  readonly processId: string | null;
}

export function sessionTables(dataSource: DataSource, processId: string | null = null): SessionTables {
  const path = (entity: EntityTarget<object>) => {
    const { schema, tableName } = dataSource.getMetadata(entity);
    return [schema, tableName]
      .filter(part => part !== undefined)
      .map(quote)
      .join('.');
  };
  return {
    session: path(SessionEntity),
    userAuth: path(UserAuthEntity),
    signingKey: path(SigningKeyEntity),
    processId,
  };
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
