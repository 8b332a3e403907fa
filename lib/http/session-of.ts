import type { ExecutionContext } from '@nestjs/common';
import { SESSION_ON_REQUEST } from '../session.constants.js';
import type { UserSession } from '../session.types.js';
import { SessionExchange } from './exchange.js';

interface WithSession {
  [SESSION_ON_REQUEST]?: UserSession;
}

/**
 * The session that the guard found, or undefined: for role guards, throttler trackers and loggers.
 *
 * @param source an execution context, or a request of any platform
 */
export function sessionOf(source: ExecutionContext | object): UserSession | undefined {
  return (requestOf(source) as WithSession)[SESSION_ON_REQUEST];
}

/** Whether a guard has looked for a session, found or not. */
export function wasGuarded(source: ExecutionContext | object): boolean {
  return SESSION_ON_REQUEST in requestOf(source);
}

/** Puts the session where `sessionOf` and `@CurrentSession()` look for it. */
export function attachSession(
  { request }: SessionExchange,
  session: UserSession | undefined,
  context: ExecutionContext,
): void {
  for (const holder of [request, requestOf(context)]) (holder as WithSession)[SESSION_ON_REQUEST] = session;
}

function requestOf(source: ExecutionContext | object): object {
  if (!('switchToHttp' in source)) return source;
  // A gateway's client stands for the request of its handshake, which not every transport lets one find.
  if (source.getType() === 'ws') {
    const client = source.switchToWs().getClient<{ handshake?: object }>();
    return client.handshake ?? client;
  }
  return SessionExchange.of(source).request;
}
