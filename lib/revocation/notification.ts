import type { Announcement } from '../rules/revocation-state.js';

/** A notification: what ended, or the echo of a nonce. */
export interface Notification extends Announcement {
  readonly echo?: string;
  /** The process that sent it. */
  readonly processId?: string;
}

interface Payload {
  echo?: unknown;
  processId?: unknown;
  sessions?: unknown;
  reason?: unknown;
  users?: unknown;
  claims?: unknown;
  keys?: unknown;
}

/** Reads a notification's payload; undefined for what this version does not understand. */
export function readNotification(payload: string): Notification | undefined {
  let parsed: Payload | null;
  try {
    parsed = JSON.parse(payload) as Payload | null;
  } catch {
    // Somebody else's message on our channel. The poll tells the truth in any case.
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { echo, processId, sessions, reason, users, claims, keys } = parsed;
  return {
    echo: typeof echo === 'string' ? echo : undefined,
    processId: typeof processId === 'string' ? processId : undefined,
    sessions: strings(sessions).map(id => ({ id, reason: typeof reason === 'string' ? reason : 'unknown' })),
    users: versions(users),
    claims: versions(claims),
    keys: strings(keys),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : [];
}

function versions(value: unknown): { id: string; version: number }[] {
  return Array.isArray(value) ? value.filter(isVersion) : [];
}

function isVersion(value: unknown): value is { id: string; version: number } {
  if (typeof value !== 'object' || value === null) return false;
  const { id, version } = value as { id?: unknown; version?: unknown };
  return typeof id === 'string' && typeof version === 'number';
}
