import { statement } from '../common/statement.js';
import { CASE_LETTERS } from './rotation-cases.js';
import { type RotationSettings, seen } from './rotation.statements.js';
import type { KeyProofRequest, ProvedRow } from './rotation.store.js';
import {
  type ArraysOf,
  fromClock,
  inBucketOf,
  inTime,
  isRefreshable,
  LIMITED,
  type Limited,
  LIVE_OF_ID,
  nowOfUpdate,
  OF_SESSION,
  sessionColumns,
  updatesInTime,
} from './sql-fragments.js';
import type { SessionTables } from './tables.js';

interface GivenValues extends Omit<KeyProofRequest, 'ip' | 'userAgent'> {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

interface UsedKeys extends Limited {
  readonly sessionId: readonly string[];
  readonly key: readonly Buffer[];
  readonly deadline: number;
}

/** Where a statement has the proved key, and the refresh token that came with the proof. */
interface GivenProof {
  readonly thumbprint: string;
  readonly generation: string;
  readonly hash: string;
  readonly ip: string;
  readonly userAgent: string;
  readonly deadline: string;
}

/**
 * The refresh of a session that is bound to a key: nothing rotates. The key in force counts, or one that was registered
 * while none is in force: its proof shows that the registration has arrived. The client's address and user agent are not
 * asked for: a proof says more.
 */
function proof(tables: SessionTables, settings: RotationSettings, given: GivenProof) {
  const { proved, 'first-proof': first } = CASE_LETTERS;
  const changes = `key_thumbprint = ${given.thumbprint}, key_offered = NULL,
      last_case = CASE WHEN s.key_thumbprint IS NULL THEN '${first}' ELSE '${proved}' END,
      ${seen(tables, settings, given.ip, given.userAgent)}`;
  const applies = `${LIVE_OF_ID} AND ${updatesInTime(tables, given.deadline)}
      AND (s.key_thumbprint = ${given.thumbprint} OR (s.key_thumbprint IS NULL AND s.key_offered = ${given.thumbprint}))
      AND (${given.hash} IS NULL OR (s.generation = ${given.generation} AND s.token_hash = ${given.hash}))`;
  return { changes, applies };
}

export function buildKeyBindingStatements(tables: SessionTables, settings: RotationSettings) {
  const notInvalidated = isRefreshable(tables);
  const columns = `${sessionColumns(tables, nowOfUpdate(tables))}, s.last_case, s.generation, s.token_hash`;

  const one = proof(tables, settings, {
    thumbprint: ':thumbprint::bytea',
    generation: ':generation::integer',
    hash: ':hash::bytea',
    ip: ':ip::text',
    userAgent: ':userAgent::text',
    deadline: ':deadline::float8',
  });
  const prove = statement<KeyProofRequest, ProvedRow>(
    'jwt_session_prove',
    `UPDATE ${tables.session} s SET ${one.changes} ${fromClock(tables)}
      WHERE ${OF_SESSION} AND ${notInvalidated} AND ${one.applies} RETURNING ${columns}`,
  );

  // As the rotation of several sessions: rows that another transaction has locked are left out.
  const each = proof(tables, settings, {
    thumbprint: 'asked.thumbprint',
    generation: 'asked.generation',
    hash: 'asked.hash',
    ip: 'asked.ip',
    userAgent: 'asked.user_agent',
    deadline: 'asked.deadline',
  });
  const proveSeveral = statement<ArraysOf<GivenValues> & Limited, ProvedRow>(
    'jwt_session_prove_several',
    `WITH asked AS (
        SELECT * FROM unnest(:sessionId::uuid[], :bucket::smallint[], :thumbprint::bytea[], :generation::integer[], :hash::bytea[],
          :ip::text[], :userAgent::text[], :deadline::float8[])
          AS asked (id, bucket, thumbprint, generation, hash, ip, user_agent, deadline)
        ORDER BY asked.id ${LIMITED}
      ), target AS (
        SELECT asked.* FROM asked CROSS JOIN LATERAL (
          SELECT FROM ${tables.session} s
          WHERE s.id = asked.id AND s.bucket = asked.bucket AND ${notInvalidated} AND ${each.applies}
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS locked
      )
      UPDATE ${tables.session} s SET ${each.changes}
      FROM target AS asked WHERE s.id = asked.id AND s.bucket = asked.bucket RETURNING ${columns}`,
  );

  // A registration that comes again, because its answer was lost, finds its own key. None replaces another one.
  const offerKey = statement<Pick<GivenValues, 'sessionId' | 'deadline' | 'thumbprint'>, ProvedRow>(
    'jwt_session_offer_key',
    `UPDATE ${tables.session} s
      SET key_offered = CASE WHEN s.key_thumbprint IS NULL THEN :thumbprint::bytea END, key_kind = 'dbsc' ${fromClock(tables)}
      WHERE ${OF_SESSION} AND COALESCE(s.key_thumbprint, s.key_offered, :thumbprint::bytea) = :thumbprint::bytea
        AND ${updatesInTime(tables)} AND ${LIVE_OF_ID} AND ${notInvalidated}
      RETURNING ${columns}`,
  );

  // Compare and set, as the confirmations of successors: rows that another transaction has locked are skipped.
  const isOffered = 's.key_thumbprint IS NULL AND substring(s.key_offered FROM 1 FOR 6) = used.key';
  const confirmKeys = statement<UsedKeys, { readonly id: string; readonly user_id: string | null }>(
    'jwt_session_confirm_keys',
    `WITH used AS (
        SELECT used.* FROM unnest(:sessionId::uuid[], :bucket::smallint[], :key::bytea[]) AS used (id, bucket, key)
        WHERE EXISTS (SELECT FROM ${tables.session} s
          WHERE s.id = used.id AND ${inBucketOf(tables, 'used')} AND ${LIVE_OF_ID} AND ${isOffered})
        ORDER BY used.id ${LIMITED}
      ), target AS (
        SELECT used.id, used.bucket FROM used CROSS JOIN LATERAL (
          SELECT FROM ${tables.session} s WHERE s.id = used.id AND ${inBucketOf(tables, 'used')} AND ${LIVE_OF_ID} AND ${isOffered}
          FOR NO KEY UPDATE SKIP LOCKED
        ) AS locked
        WHERE ${inTime()}
      ), bound AS (
        UPDATE ${tables.session} s SET key_thumbprint = s.key_offered, key_offered = NULL
        FROM target WHERE s.id = target.id AND ${inBucketOf(tables, 'target')} RETURNING s.id, s.user_id
      )
      SELECT used.id, bound.user_id FROM used LEFT JOIN bound ON bound.id = used.id`,
  );

  return { prove, proveSeveral, offerKey, confirmKeys };
}
