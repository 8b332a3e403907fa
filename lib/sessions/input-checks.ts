import type { ClientInfo } from '../common/client-address.js';
import { describeDuration, parseDuration } from '../common/duration.js';
import { unknownOption } from '../common/option-mistakes.js';
import { SessionExchange } from '../http/exchange.js';
import type { ResolvedSessionOptions } from '../options/resolve-options.js';
import { REGISTERED_CLAIMS } from '../tokens/access-token.claims.js';
import { InvalidRequestError, NotWhileImpersonatingError, SessionUsageError } from '../session.errors.js';
import type { Actor, ImpersonateOptions, LogInOptions } from '../session.interfaces.js';

const MAX_USER_ID_LENGTH = 255;
const MAX_LABEL_LENGTH = 255;
const MAX_REASON_LENGTH = 64;
const MAX_ACTOR_REASON_LENGTH = 255;
const MAX_DEPTH = 32;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** The compiler requires a line for each option. */
const LOG_IN_OPTIONS: Record<keyof LogInOptions, true> = {
  exchange: true,
  ip: true,
  userAgent: true,
  claims: true,
  data: true,
  label: true,
  remember: true,
  idleLifetime: true,
  absoluteLifetime: true,
  recognise: true,
  transport: true,
  crossSite: true,
  manager: true,
};

const IMPERSONATE_OPTIONS: Record<keyof ImpersonateOptions, true> = {
  exchange: true,
  ip: true,
  userAgent: true,
  claims: true,
  data: true,
  label: true,
  transport: true,
  manager: true,
  lifetime: true,
  reason: true,
};

/**
 * Checks what `logIn` is given, before anything is written.
 *
 * @throws SessionUsageError for what only the application can have done wrong: types, options, claims and data
 * @throws InvalidRequestError for a text that its clients may have written
 */
export function checkLogIn(userId: unknown, options: LogInOptions): void {
  checkUserId(userId);
  checkOptionNames(options, LOG_IN_OPTIONS);
  checkContent(options);
  if (options.recognise !== undefined && typeof options.recognise !== 'boolean') {
    throw new SessionUsageError('"recognise": write true or false');
  }
}

/**
 * The same of `impersonate`.
 *
 * @returns the lifetime in milliseconds
 */
export function checkImpersonation(actor: Actor, userId: unknown, options: ImpersonateOptions): number {
  checkUserId(userId);
  checkOptionNames(options, IMPERSONATE_OPTIONS);
  checkContent(options);
  const { lifetime = '30m', reason } = options;
  if (reason !== undefined) checkText(reason, 'reason', MAX_ACTOR_REASON_LENGTH);
  const milliseconds = parseDuration(lifetime);
  if (!milliseconds) throw new SessionUsageError(`"lifetime": ${describeDuration(lifetime)}`);
  if (actor.actor) throw new NotWhileImpersonatingError();
  if (actor.userId === userId) throw new InvalidRequestError('You cannot impersonate yourself');
  if (actor.boundBy === 'dbsc') {
    throw new InvalidRequestError(
      'Your browser has bound this session to its key (DBSC), of which no proof comes with an impersonation: use a client that gets its tokens in the answer',
    );
  }
  return milliseconds;
}

function checkContent({ claims, data, label }: LogInOptions): void {
  if (claims !== undefined) checkClaims(claims);
  if (data !== undefined) checkJson(data, 'data');
  if (label !== undefined) checkText(label, 'label', MAX_LABEL_LENGTH);
}

/**
 * The lifetimes of a login in milliseconds, within those of the options.
 *
 * @throws SessionUsageError
 */
export function lifetimesOf(
  { remember, idleLifetime, absoluteLifetime }: LogInOptions,
  { session, accessToken }: ResolvedSessionOptions,
): { remember?: boolean; idleLifetime?: number; absoluteLifetime?: number } {
  if (remember !== undefined && typeof remember !== 'boolean') {
    throw new SessionUsageError('"remember": write true or false');
  }
  return {
    remember,
    // A session must outlive its access tokens.
    idleLifetime: lifetimeOf({ idleLifetime }, accessToken.lifetime, session.idleLifetime),
    absoluteLifetime: lifetimeOf({ absoluteLifetime }, 1_000, session.absoluteLifetime),
  };
}

function lifetimeOf(given: Record<string, string | undefined>, least: number, most: number | null): number | undefined {
  const [[name, text]] = Object.entries(given) as [[string, string | undefined]];
  if (text === undefined) return undefined;
  const lifetime = parseDuration(text);
  if (lifetime === undefined) throw new SessionUsageError(`"${name}": ${describeDuration(text)}`);
  if (lifetime < least) throw new SessionUsageError(`"${name}": write '${least / 1_000}s' or more`);
  if (most !== null && lifetime > most) {
    throw new SessionUsageError(
      `"${name}" must not be longer than the option "session.${name}": shorten it, or lengthen the option`,
    );
  }
  return lifetime;
}

/** JavaScript and casts bypass the compiler; an unknown option would be ignored silently. */
function checkOptionNames(options: unknown, known: object): void {
  if (options instanceof SessionExchange) {
    throw new SessionUsageError('The exchange is an option: write logIn(userId, { exchange })');
  }
  if (!isPlainObject(options)) throw new SessionUsageError('The options must be a plain object');
  const unknown = Object.keys(options).find(name => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw new SessionUsageError(unknownOption(unknown, Object.keys(known)));
}

/**
 * A token bound to an unknown client would be useless, and a refresh from an unknown client (its connection may be
 * closed already) is no sign of theft.
 *
 * @param hasRequest whether the client was read from a request, which need not have a `User-Agent`
 * @throws InvalidRequestError for a request, SessionUsageError for a call without the option
 */
export function checkClient(
  { ip, userAgent }: ClientInfo,
  binding: ResolvedSessionOptions['binding'],
  hasRequest: boolean,
): void {
  if (binding.ip !== 'off' && ip === undefined) {
    const message = 'With binding.ip the client\'s address must be known: give "exchange" or "ip"';
    throw hasRequest ? new InvalidRequestError(message) : new SessionUsageError(message);
  }
  if (binding.userAgent !== 'off' && !hasRequest && userAgent === undefined) {
    throw new SessionUsageError('With binding.userAgent give "exchange" or "userAgent"');
  }
}

/** User ids are kept exactly, so text that the database or a token would change is refused. */
export function checkUserId(userId: unknown): void {
  if (typeof userId === 'number' || typeof userId === 'bigint') {
    throw new SessionUsageError('The user id must be a string: write String(id)');
  }
  checkText(userId, 'user id', MAX_USER_ID_LENGTH);
  if (userId === '') throw new InvalidRequestError('The user id must not be empty');
}

export function checkReason(reason: string): void {
  checkText(reason, 'reason', MAX_REASON_LENGTH);
  if (reason.startsWith('theft:')) throw new SessionUsageError('A reason must not begin with "theft:"');
}

/** Refuses what JSON or PostgreSQL's jsonb would refuse, drop or change. */
export function checkJson(value: unknown, path: string, depth = 0): void {
  if (depth > MAX_DEPTH) throw new SessionUsageError(`"${path}" is nested too deeply, or refers to itself`);
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  if (typeof value === 'string') return checkJsonText(value, path);
  if (Array.isArray(value)) return value.forEach((member, index) => checkJson(member, `${path}[${index}]`, depth + 1));
  if (!isPlainObject(value)) {
    throw new SessionUsageError(
      `"${path}" is not JSON: write strings, finite numbers, booleans, null, arrays and plain objects`,
    );
  }
  for (const [name, member] of Object.entries(value)) {
    checkJsonText(name, path);
    checkJson(member, `${path}.${name}`, depth + 1);
  }
}

/** Claims are JSON, and have none of the names that an access token has of itself. */
export function checkClaims(claims: unknown): asserts claims is Record<string, unknown> {
  if (!isPlainObject(claims)) throw new SessionUsageError('"claims" must be a plain object');
  const taken = Object.keys(claims).find(name => REGISTERED_CLAIMS.has(name));
  if (taken !== undefined) {
    throw new SessionUsageError(`"claims.${taken}" would shadow a registered claim: give it another name`);
  }
  checkJson(claims, 'claims');
}

function checkText(text: unknown, what: string, longest: number): asserts text is string {
  if (typeof text !== 'string') throw new SessionUsageError(`The ${what} must be a string`);
  if (!isStorable(text)) throw new InvalidRequestError(unstorable(what));
  if ([...text].length > longest) throw new InvalidRequestError(`The ${what} must have at most ${longest} characters`);
}

function checkJsonText(text: string, path: string): void {
  if (!isStorable(text)) throw new SessionUsageError(unstorable(path));
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text);
}

function unstorable(what: string): string {
  return `"${what}" holds a NUL character or half a surrogate pair, which cannot be stored`;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
