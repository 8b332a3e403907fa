import type { DataSource } from 'typeorm';
import { tableName } from '../common/sql.js';
import { KnownDeviceEntity } from './entities/known-device.entity.js';
import { SessionEntity } from './entities/session.entity.js';
import { SigningKeyEntity } from './entities/signing-key.entity.js';
import { UserAuthEntity } from './entities/user-auth.entity.js';

/** The tables' names as SQL writes them. */
export interface SessionTables {
  readonly session: string;
  readonly userAuth: string;
  readonly signingKey: string;
  readonly device: string;
  /** Whether statements send notifications. */
  readonly notifies: boolean;
  /** Whether an engine distributes the tables of sessions and users by their bucket. */
  readonly distributed: boolean;
}

export function sessionTables(dataSource: DataSource, notifies = false, distributed = false): SessionTables {
  return {
    session: tableName(dataSource.getMetadata(SessionEntity)),
    userAuth: tableName(dataSource.getMetadata(UserAuthEntity)),
    signingKey: tableName(dataSource.getMetadata(SigningKeyEntity)),
    device: tableName(dataSource.getMetadata(KnownDeviceEntity)),
    notifies,
    distributed,
  };
}
