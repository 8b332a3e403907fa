import { isUuid } from '../common/uuid.js';
import type { EndedSession, RaisedVersion } from '../rules/revocation-state.js';

/** A notification: the echo of a nonce, or hints of what ended. */
export interface Notification {
  readonly echo?: string;
  /** The process that sent it. */
  readonly processId?: string;
  readonly sessions: readonly EndedSession[];
  readonly users: readonly RaisedVersion[];
  readonly claims: readonly RaisedVersion[];
  /** Keys were distrusted: the database says which. */
  readonly keys: boolean;
}

const MAX_REASON_LENGTH = 64;
const MAX_USER_ID_LENGTH = 255;

/** Parses a notification's payload; undefined for one that this version does not understand. */
export function readNotification(payload: string): Notification | undefined {
  let parsed: Record<string, unknown> | null;
  try {
    parsed = JSON.parse(payload) as Record<string, unknown> | null;
  } catch {
    // Another program uses the channel. The poll does not depend on it.
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const reason = textOf(parsed.reason, MAX_REASON_LENGTH) ?? 'unknown';
  return {
    echo: textOf(parsed.echo, MAX_REASON_LENGTH),
    processId: textOf(parsed.processId, MAX_REASON_LENGTH),
    sessions: listOf(parsed.sessions).flatMap(id => (typeof id === 'string' && isUuid(id) ? [{ id, reason }] : [])),
    users: listOf(parsed.users).flatMap(versionOf),
    claims: listOf(parsed.claims).flatMap(versionOf),
    keys: parsed.keys === true,
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown, maxLength: number): string | undefined {
  return typeof value === 'string' && value.length <= maxLength ? value : undefined;
}

function versionOf(value: unknown): RaisedVersion[] {
  const { id, version } = Object(value) as { id?: unknown; version?: unknown };
  const name = textOf(id, MAX_USER_ID_LENGTH);
  return name !== undefined && Number.isSafeInteger(version) ? [{ id: name, version: version as number }] : [];
}
