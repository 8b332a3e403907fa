import { Injectable, type OnModuleInit, Optional } from '@nestjs/common';
import { SessionEvents, type SessionEvent } from './session.events.js';
import { SessionService } from './session.service.js';
import { DbscSessions } from './sessions/dbsc.js';
import { type Count, OTHER, Telemetry } from './telemetry/telemetry.js';

/** What works on stored sessions. The rest of the service, and the guard, answer from memory. */
const OPERATIONS = [
  'logIn',
  'refresh',
  'reauthenticate',
  'impersonate',
  'endImpersonation',
  'logOut',
  'logOutOthers',
  'logOutAll',
  'export',
  'erase',
  'list',
  'get',
  'getData',
  'setData',
  'setClaims',
  'invalidateTokens',
  'cleanUp',
  'rotateKeys',
] as const satisfies readonly (keyof SessionService)[];

const THEFT_CLASSES = ['fork', 'recent', 'stale', 'binding'] as const;

/** The reasons that this library gives. Those of the application may be any text. */
export const REASONS = new Set([
  'logout',
  'logout-others',
  'logout-all',
  'erased',
  'replaced',
  'actor-replaced',
  'impersonation-ended',
  'evicted',
  'refused-by-claims',
  'revoked',
  ...THEFT_CLASSES.map(name => `theft:${name}`),
  'verified',
  'password-changed',
  'password-reset',
  'email-changed',
  'email-change-undone',
  'sign-in-reported',
  'disabled',
  'account-deleted',
]);

/** Counts events and measures operations (option `telemetry`). */
@Injectable()
export class SessionTelemetry implements OnModuleInit {
  constructor(
    private readonly events: SessionEvents,
    private readonly sessions: SessionService,
    private readonly dbsc: DbscSessions,
    @Optional() private readonly telemetry?: Telemetry,
  ) {}

  onModuleInit(): void {
    const { telemetry } = this;
    if (!telemetry) return;
    telemetry.measureCalls(this.sessions, OPERATIONS);
    telemetry.measureCalls(this.dbsc, ['answer'], 'key.');
    telemetry.count(this.events.observable, countOf);
    // An alarm must not miss the first one.
    for (const name of THEFT_CLASSES) telemetry.add({ ...theftOf(name), by: 0 });
  }
}

function countOf(event: SessionEvent): Count | undefined {
  switch (event.type) {
    case 'session.created':
      return { name: 'jwt_session.log_ins' };
    case 'session.impersonated':
      return { name: 'jwt_session.impersonations' };
    case 'session.refreshed':
    case 'session.replayed':
      return { name: 'jwt_session.refreshes', attributes: { 'jwt_session.case': event.case } };
    case 'session.refused':
      return { name: 'jwt_session.refusals', attributes: { 'error.type': event.code } };
    case 'session.revoked': {
      const reason = REASONS.has(event.reason) ? event.reason : OTHER;
      const attributes = { 'jwt_session.reason': reason, 'jwt_session.source': event.source };
      return { name: 'jwt_session.revocations', attributes, by: event.sessionIds.length };
    }
    case 'session.theft':
      return theftOf(event.class);
    case 'session.bound':
      return { name: 'jwt_session.key_bindings', attributes: { 'jwt_session.kind': event.kind } };
    case 'keys.rotated':
      return { name: 'jwt_session.key_rotations' };
    default:
      // The gauges show degraded revocations and overloads.
      return undefined;
  }
}

function theftOf(name: string): Count {
  return { name: 'jwt_session.thefts', attributes: { 'jwt_session.class': name } };
}
