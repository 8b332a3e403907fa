import { milliseconds } from '../common/sql.js';
import type { Device } from '../session.types.js';

/** A device with its times in milliseconds since the epoch. */
export type DeviceRow = { readonly [Key in keyof Device]: Device[Key] extends Date ? number : Device[Key] };

/** A key that was registered and is not yet in use binds nothing. */
export const BOUND_BY = 'CASE WHEN s.key_thumbprint IS NOT NULL THEN s.key_kind END';

const DEVICE: { readonly [Key in keyof Device]: string } = {
  id: 's.id',
  label: 's.label',
  userAgent: 's.user_agent',
  ip: 's.ip',
  createdAt: milliseconds('s.created_at'),
  lastSeenAt: milliseconds('s.last_seen_at'),
  boundBy: BOUND_BY,
  actor: `CASE WHEN s.actor_session_id IS NOT NULL THEN
    json_build_object('userId', s.actor_user_id, 'sessionId', s.actor_session_id, 'reason', s.actor_reason) END`,
};
export const DEVICE_COLUMNS = Object.entries(DEVICE)
  .map(([name, expression]) => `${expression} AS "${name}"`)
  .join(', ');
