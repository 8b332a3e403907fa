import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import { bucketOfSession } from '../rules/bucket.js';
import { Database } from './database.js';
import { SessionUsageError } from '../session.errors.js';
import { buildImpersonationStatements, type EndedImpersonation, type ReturnedRow } from './impersonation.statements.js';
import { valuesOf } from './session-insert.js';
import type { NewSession } from './session.store.js';
import type { SessionRow } from './sql-fragments.js';
import type { SessionTables } from './tables.js';
import { userAgentSettings } from './user-agent.js';

/** The actor of a new impersonation. */
export interface NewActor {
  readonly userId: string;
  readonly sessionId: string;
  readonly reason?: string;
  /** Milliseconds until the impersonation ends. */
  readonly lifetime: number;
}

/** Begins and ends impersonations, each by one statement. */
@Injectable()
export class ImpersonationStore {
  constructor(
    private readonly database: Database,
    private readonly options: ResolvedSessionOptions,
  ) {}

  /** @throws SessionUsageError with the option `distributed`: actor and user may be on different machines */
  requireOneMachine(): void {
    if (!this.database.isDistributed) return;
    throw new SessionUsageError('impersonate() does not work with the option "distributed"');
  }

  /** Inserts the session, which ends with that of its actor. Undefined where the actor's is not live, or not its own. */
  async begin(session: NewSession, actor: NewActor, manager?: EntityManager): Promise<SessionRow | undefined> {
    const { sessionId: actorSessionId, userId: actorUserId, reason, lifetime } = actor;
    const actorBucket = bucketOfSession(actorSessionId);
    const values = { ...valuesOf(session), actorSessionId, actorBucket, actorUserId, reason, lifetime };
    const [created] = await this.database.inTime(deadline =>
      this.database.query(this.sql.impersonate, { ...values, deadline }, { manager }),
    );
    return created!.id === null ? undefined : created;
  }

  /**
   * Ends an impersonation, and gives the actor's session a refresh token in the place of those that it had.
   *
   * @returns the actor's session; undefined where either is not live
   */
  async end(impersonation: EndedImpersonation): Promise<ReturnedRow | undefined> {
    const actorBucket = bucketOfSession(impersonation.actorSessionId);
    const [actor] = await this.database.inTime(deadline =>
      this.database.query(this.sql.endImpersonation, { ...impersonation, actorBucket, deadline }),
    );
    return actor!.id === null ? undefined : actor;
  }

  private get sql() {
    return this.database.statements(this.buildStatements);
  }

  private readonly buildStatements = (tables: SessionTables) =>
    buildImpersonationStatements(tables, { ...this.options.session, userAgent: userAgentSettings(this.options) });
}
