import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type Attributes, metrics } from '@opentelemetry/api';
import { type SessionEvent, SessionService } from 'nestjs-jwt-session';

/** Counts what happens to sessions. Provide it in any module. */
@Injectable()
export class SessionMetrics implements OnModuleInit {
  constructor(private readonly sessions: SessionService) {}

  onModuleInit(): void {
    const meter = metrics.getMeter('sessions');
    const events = meter.createCounter('session.events');
    this.sessions.events.subscribe(event => events.add(countOf(event), attributesOf(event)));

    meter.createObservableGauge('session.staleness', { unit: 'ms' }).addCallback(async result => {
      const { status, revocation } = await this.sessions.status();
      result.observe(revocation.staleness, { status, listening: revocation.listening });
    });
  }
}

function countOf(event: SessionEvent): number {
  return event.type === 'session.revoked' ? event.sessionIds.length : 1;
}

/** No ids of sessions and users: a metric has few attributes, and they have few values. */
function attributesOf(event: SessionEvent): Attributes {
  switch (event.type) {
    case 'session.refreshed':
    case 'session.replayed':
      return { type: event.type, case: event.case };
    case 'session.revoked':
      return { type: event.type, reason: event.reason, source: event.source };
    case 'session.theft':
      return { type: event.type, class: event.class };
    case 'session.refused':
      return { type: event.type, code: event.code };
    case 'revocation.degraded':
      return { type: event.type, cause: event.cause };
    default:
      return { type: event.type };
  }
}
