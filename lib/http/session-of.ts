import type { ExecutionContext } from '@nestjs/common';
import { PUBLIC_ROUTE, SESSION_ON_REQUEST } from '../session.constants.js';
import type { UserSession } from '../session.types.js';

interface WithSession {
  [SESSION_ON_REQUEST]?: UserSession;
}

/** A guard's answer for one handler. */
interface Guarded {
  readonly handler: unknown;
  readonly controller: unknown;
  readonly session: UserSession | undefined;
}

/** The answers of guards for a socket's client or a message's context, which may be frozen. */
const GUARDED = new WeakMap<object, Guarded[]>();

/**
 * The session that the guard found, or undefined: for role guards, throttler trackers and loggers.
 *
 * @param source an execution context, or a request of any platform
 */
export function sessionOf(source: ExecutionContext | object): UserSession | undefined {
  if (!isContext(source)) return (source as WithSession)[SESSION_ON_REQUEST];
  const holder = requestOf(source);
  return holder ? (holder as WithSession)[SESSION_ON_REQUEST] : findGuarded(source)?.session;
}

/** Whether a guard has looked for a session, found or not. */
export function wasGuarded(context: ExecutionContext): boolean {
  const holder = requestOf(context);
  if (holder) return SESSION_ON_REQUEST in holder;
  // A message that is a mere text has nothing to note an answer for; a public handler has no session in any case.
  return messageOf(context) ? findGuarded(context) !== undefined : isPublic(context);
}

/**
 * Puts the session where `sessionOf` and `@CurrentSession()` look for it.
 *
 * @param request where `sessionOf` finds it without a context; not known where a public handler has none
 */
export function attachSession(context: ExecutionContext, session: UserSession | undefined, request?: object): void {
  if (request) (request as WithSession)[SESSION_ON_REQUEST] = session;
  const holder = requestOf(context);
  if (holder) (holder as WithSession)[SESSION_ON_REQUEST] = session;
  else attachToMessage(context, session);
}

function isContext(source: ExecutionContext | object): source is ExecutionContext {
  return 'switchToHttp' in source;
}

/**
 * The object of one request: in HTTP the request, in GraphQL the context, as operations on a socket share the request.
 */
function requestOf(context: ExecutionContext): object | undefined {
  switch (context.getType<string>()) {
    case 'http':
      return context.switchToHttp().getRequest<object>();
    case 'graphql':
      return context.getArgByIndex<object>(2);
    default:
      return undefined;
  }
}

/**
 * Messages have no object of their own in every transport: those of a socket share its client. So the answer is kept by
 * handler, whose guards run again for each message, and a handler without a guard never finds that of another message.
 */
function attachToMessage(context: ExecutionContext, session: UserSession | undefined): void {
  const message = messageOf(context);
  if (!message) return;
  const [handler, controller] = [context.getHandler(), context.getClass()];
  const others = guardedOf(message).filter(known => known.handler !== handler || known.controller !== controller);
  GUARDED.set(message, [...others, { handler, controller, session }]);
}

function findGuarded(context: ExecutionContext): Guarded | undefined {
  const message = messageOf(context);
  const [handler, controller] = [context.getHandler(), context.getClass()];
  return message && guardedOf(message).find(known => known.handler === handler && known.controller === controller);
}

function guardedOf(message: object): Guarded[] {
  return GUARDED.get(message) ?? [];
}

/** A gateway's client; the context of a message between services, else the message. */
function messageOf(context: ExecutionContext): object | undefined {
  const [first, second] = context.getArgs<unknown[]>();
  const candidates = context.getType() === 'ws' ? [first] : [second, first];
  return candidates.find(candidate => typeof candidate === 'object' && candidate !== null);
}

function isPublic(context: ExecutionContext): boolean {
  return [context.getHandler(), context.getClass()].some(target => Reflect.getMetadata(PUBLIC_ROUTE, target) === true);
}
