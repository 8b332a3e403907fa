import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { STATEMENT_TIMEOUT_MS } from '../common/bounded-database.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { bucketOfSession } from '../rules/bucket.js';
import type { KeyKind } from '../rules/session-key.js';
import type { Device, SessionClaims, SessionData } from '../session.types.js';
import { timeOfUuid } from '../common/uuid.js';
import { Database } from './database.js';
import { DistributedLogIn } from './distributed-log-in.js';
import type { DeviceColumns, DeviceValues } from './known-device.statements.js';
import { jsonOf, rowOf, valuesOf } from './session-insert.js';
import { buildSessionStatements } from './session.statements.js';
import type { StatementBatcher } from './statement-batcher.js';
import type { SessionRow, TimedRow } from './sql-fragments.js';
import type { SessionTables } from './tables.js';
import { userAgentSettings } from './user-agent.js';

/** What `create` writes. */
export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly tokenHash: Buffer;
  readonly claims: SessionClaims;
  readonly data?: SessionData;
  readonly label?: string;
  readonly userAgent?: string;
  readonly ip?: string;
  /** The key that the session is bound to from its login on (DPoP). */
  readonly keyThumbprint?: Buffer;
  /** False where the cookies end with the browser. */
  readonly remember?: boolean;
  /** Milliseconds, where they are shorter than those of the options. */
  readonly idleLifetime?: number;
  readonly absoluteLifetime?: number;
  /** The session that came with the login request and ends with it. */
  readonly replaces?: string;
  /** Where the device is recognised. */
  readonly device?: DeviceValues;
}

/** The session that takes the place of another one after its user has logged in again. */
export type RenewedSession = Omit<NewSession, 'claims' | 'replaces' | 'device'> & {
  readonly claims?: SessionClaims;
  readonly replaces: string;
};

/** How many live sessions a user may have. */
export interface SessionLimit {
  readonly most: number;
  /** Ends the oldest to make room, instead of refusing. */
  readonly evict: boolean;
}

/** A session with the columns that only the server sees. */
export interface StoredSession extends SessionRow {
  readonly data: SessionData | null;
  readonly label: string | null;
  readonly bound_by: KeyKind | null;
}

/** A new session, and those that ended with its creation. */
export interface CreatedSession {
  readonly row: SessionRow;
  readonly ended: readonly { readonly id: string; readonly reason: string }[];
  /** What was found where the device is recognised. */
  readonly device?: FoundDevice;
}

export interface FoundDevice {
  /** The hash of the token by which the device is known to the user; null for a device that was not. */
  readonly known: Buffer | null;
  /** Whether the user had known devices before. */
  readonly hasOthers: boolean;
}

/** The columns of the session are null where none was inserted. */
export interface CreatedRow extends SessionRow, TimedRow, Partial<DeviceColumns> {
  readonly ended: { id: string; reason: string }[] | null;
}

/** The sessions' rows: creating, listing, reading. Each operation is one statement. */
@Injectable()
export class SessionStore {
  private readonly creations: StatementBatcher<NewSession, SessionRow>;
  private readonly logIns: DistributedLogIn;

  constructor(
    private readonly database: Database,
    private readonly options: ResolvedSessionOptions,
  ) {
    this.logIns = new DistributedLogIn(database, () => this.sql);
    this.creations = database.batched({
      keyOf: ({ id }) => id,
      many: sessions => this.insertSeveral(sessions),
      one: session => this.insert(session),
    });
  }

  /**
   * Inserts the session and ends the one it replaces, in one statement. Sessions that replace none and are created in
   * the same turn share one.
   */
  async create(session: NewSession, manager?: EntityManager): Promise<CreatedSession> {
    const { device, replaces } = session;
    if (!device && replaces === undefined) {
      return { row: await (manager ? this.insert(session, manager) : this.creations.run(session)), ended: [] };
    }
    const values = { ...valuesOf(session), replaces, replacedBucket: bucketOf(replaces) };
    const [created] = await this.database.inTime(deadline =>
      device
        ? this.database.query(this.sql.createOnDevice, { ...values, ...device, deadline }, { manager })
        : this.logIns.endAndInsert(this.sql.replace, { ...values, deadline }, { manager }),
    );
    return createdOf(created!)!;
  }

  /**
   * The same within a limit of live sessions: one transaction that locks the user first, so that the limit is exact
   * even if many log in at once.
   *
   * @returns undefined when the limit is reached and nothing may be evicted
   */
  async createWithin(
    limit: SessionLimit,
    session: NewSession,
    manager?: EntityManager,
  ): Promise<CreatedSession | undefined> {
    const { device, replaces } = session;
    const values = { ...valuesOf(session), replaces, replacedBucket: bucketOf(replaces), ...limit, noLimit: null };
    const lock = this.userLock(session, manager);
    const [created] = await this.database.inTime(deadline => {
      const timed = { ...values, deadline };
      if (!device) return this.logIns.endAndInsert(this.sql.createWithin, timed, { manager, lock });
      const onDevice = { statement: this.sql.createWithinOnDevice, values: { ...timed, ...device } };
      return this.database.queryLocked(lock, onDevice, manager);
    });
    return createdOf(created!);
  }

  /**
   * Inserts a session in the place of a live one of the same user, in one statement. Claims, data, label and lifetimes
   * that are not given are those of the session that ends.
   *
   * @param limited locks the user first, so that a login that counts the user's sessions meanwhile counts one of the
   * two
   * @param seen the former session as it was when its claims were asked for: nothing happens if `setClaims` or
   * `invalidateTokens` came in between
   * @returns undefined when the user has no such live session, or it is not as it was seen
   */
  async reauthenticate(
    session: RenewedSession,
    limited: boolean,
    seen: SessionRow | undefined,
    manager?: EntityManager,
  ): Promise<CreatedSession | undefined> {
    const { claims, replaces } = session;
    const versions = { tokenVersion: seen?.token_version, accessVersion: seen?.access_version };
    const values = { ...valuesOf({ ...session, claims: {} }), claims: jsonOf(claims), replaces, ...versions };
    const [created] = await this.database.inTime(deadline => {
      const lock = limited ? this.userLock(session, manager) : undefined;
      return this.logIns.endAndInsert(this.sql.reauthenticate, { ...values, deadline }, { manager, lock });
    });
    return createdOf(created!);
  }

  /** One login of a user after the other. The limits of the caller's transaction are the caller's. */
  private userLock({ userId }: { readonly userId: string }, manager: EntityManager | undefined) {
    const idleLimit = manager ? undefined : `${STATEMENT_TIMEOUT_MS}ms`;
    return { statement: this.sql.lockUser, values: { userId, idleLimit } };
  }

  /** Removes a session whose tokens were not issued, and the device that became known by it. */
  async discard({ id: sessionId, user_id: userId }: SessionRow, manager?: EntityManager): Promise<void> {
    await this.database.query(this.sql.discard, { sessionId, userId }, { manager });
  }

  async get(sessionId: string, manager?: EntityManager): Promise<StoredSession | undefined> {
    const [row] = await this.database.query(this.sql.get, { sessionId }, { manager });
    return row;
  }

  /** The user's live sessions, the latest seen first, with or without impersonations. */
  async list(userId: string, impersonations: boolean): Promise<Device[]> {
    const rows = await this.database.query(this.sql.list, { userId, impersonations });
    return rows.map(row => ({
      ...row,
      // The column of an impersonation is the login of its actor.
      createdAt: new Date(row.actor ? timeOfUuid(row.id) : row.createdAt),
      lastSeenAt: new Date(row.lastSeenAt),
    }));
  }

  async getData(sessionId: string, manager?: EntityManager): Promise<{ data: SessionData | null } | undefined> {
    const [row] = await this.database.query(this.sql.getData, { sessionId }, { manager });
    return row;
  }

  /** Returns whether there was a live session to write to. */
  async setData(sessionId: string, data: SessionData, manager?: EntityManager): Promise<boolean> {
    const values = { sessionId, data: JSON.stringify(data) };
    const [row] = await this.database.inTime(deadline =>
      this.database.query(this.sql.setData, { ...values, deadline }, { manager }),
    );
    return row!.id !== null;
  }

  /**
   * Stores the claims of the tokens that are being issued, unless `setClaims` has changed them meanwhile.
   *
   * @returns false when there is no live session with that token version
   */
  async storeHookClaims(
    sessionId: string,
    tokenVersion: number,
    claims: SessionClaims,
    manager?: EntityManager,
  ): Promise<boolean> {
    const values = { sessionId, tokenVersion, claims: JSON.stringify(claims) };
    const [row] = await this.database.inTime(deadline =>
      this.database.query(this.sql.storeHookClaims, { ...values, deadline }, { manager }),
    );
    return row!.id !== null;
  }

  /**
   * Replaces the claims, and invalidates the access tokens that have the former ones.
   *
   * @returns the new token version, undefined when there is no such live session
   */
  async setClaims(sessionId: string, claims: SessionClaims, manager?: EntityManager): Promise<number | undefined> {
    const values = { sessionId, claims: JSON.stringify(claims) };
    const [row] = await this.database.inTime(deadline =>
      this.database.query(this.sql.setClaims, { ...values, deadline }, { manager }),
    );
    return row!.version ?? undefined;
  }

  private async insert(session: NewSession, manager?: EntityManager): Promise<SessionRow> {
    const values = valuesOf(session);
    if (this.database.isDistributed) return this.logIns.insert(values, { manager });
    const [row] = await this.database.query(this.sql.create, values, { manager });
    return rowOf(values, row!);
  }

  private async insertSeveral(sessions: readonly NewSession[]): Promise<Map<string, SessionRow>> {
    const values = sessions.map(valuesOf);
    const rows = await this.database.query(this.sql.createSeveral, {
      id: values.map(({ id }) => id),
      bucket: values.map(({ bucket }) => bucket),
      userId: values.map(({ userId }) => userId),
      tokenHash: values.map(({ tokenHash }) => tokenHash),
      claims: values.map(({ claims }) => claims),
      data: values.map(({ data }) => data),
      label: values.map(({ label }) => label),
      userAgent: values.map(({ userAgent }) => userAgent),
      ip: values.map(({ ip }) => ip),
      keyThumbprint: values.map(({ keyThumbprint }) => keyThumbprint),
      remember: values.map(({ remember }) => remember),
      idleLifetime: values.map(({ idleLifetime }) => idleLifetime),
      absoluteLifetime: values.map(({ absoluteLifetime }) => absoluteLifetime),
    });
    const minted = new Map(rows.map(row => [row.id, row]));
    return new Map(values.map(each => [each.id, rowOf(each, minted.get(each.id)!)]));
  }

  private get sql() {
    return this.database.statements(this.buildStatements);
  }

  private readonly buildStatements = (tables: SessionTables) =>
    buildSessionStatements(tables, { ...this.options.session, userAgent: userAgentSettings(this.options) });
}

function createdOf({ late: _late, ended, device_hash, has_devices, ...row }: CreatedRow): CreatedSession | undefined {
  if (row.id === null) return undefined;
  const device = device_hash === undefined ? undefined : { known: device_hash, hasOthers: has_devices! };
  return { row, ended: ended ?? [], device };
}

function bucketOf(sessionId: string | undefined): number | undefined {
  return sessionId === undefined ? undefined : bucketOfSession(sessionId);
}
