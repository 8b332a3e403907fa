import type { ExecutionContext } from '@nestjs/common';
import { SESSION_ON_REQUEST } from '../session.constants.js';
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

/** Where the answers of guards are kept on a socket's client or a message's context. */
const GUARDED = Symbol('guarded');

interface WithGuarded {
  [GUARDED]?: Guarded[];
}

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
  return holder ? SESSION_ON_REQUEST in holder : findGuarded(context) !== undefined;
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
  const [handler, controller] = [context.getHandler(), context.getClass()];
  const others = message[GUARDED]?.filter(known => known.handler !== handler || known.controller !== controller) ?? [];
  message[GUARDED] = [...others, { handler, controller, session }];
}

function findGuarded(context: ExecutionContext): Guarded | undefined {
  const [handler, controller] = [context.getHandler(), context.getClass()];
  return messageOf(context)[GUARDED]?.find(known => known.handler === handler && known.controller === controller);
}

/** A gateway's client; the context of a message between services, else the message. */
function messageOf(context: ExecutionContext): WithGuarded {
  const [first, second] = context.getArgs<unknown[]>();
  const candidates = context.getType() === 'ws' ? [first] : [second, first];
  const message = candidates.find(candidate => typeof candidate === 'object' && candidate !== null);
  return (message ?? {}) as WithGuarded;
}
