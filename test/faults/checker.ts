import { maxRequestAge } from '../../lib/rules/rotation.js';
import { Sessions } from './known-sessions.js';
import type { Entry, Exchange } from './history.js';
import { LEEWAY_MS, MAX_STALENESS_MS, type Mode, PATIENCE_MS } from './settings.js';

export type Invariant =
  | 'no 500'
  | 'no false theft'
  | 'no missed theft'
  | 'no session lost'
  | 'nothing revoked accepted'
  | 'every write visible'
  | 'no defect'
  | 'recovered';

export interface Violation {
  readonly invariant: Invariant;
  readonly at: number;
  readonly description: string;
}

/** Two turns are apart when none begins in a window that the other has opened, even by a request that was late. */
export const APART_MS = LEEWAY_MS + PATIENCE_MS + maxRequestAge(LEEWAY_MS);

/** Turns by which one of two parties with one token is refused: thief, victim, thief, victim. */
const MAX_TURNS = 3;

/** Between the clocks of one machine. */
const ROUNDING_MS = 50;

const ENDED = [
  'session_expired',
  'session_revoked',
  'refresh_token_invalid',
  'session_missing',
  'token_theft_detected',
];

/** Finds the entries of a history that break an invariant. A pure function: it needs the history alone. */
export function check(history: readonly Entry[], mode: Mode): Violation[] {
  const sessions = new Sessions(history);
  const violations = [
    ...sessions.exchanges.flatMap(exchange => [
      ...wrongStatus(exchange),
      ...lostSession(exchange, sessions),
      ...accepted(exchange, sessions, mode),
      ...invisible(exchange, sessions),
    ]),
    ...falseThefts(history, sessions),
    ...missedThefts(sessions),
    ...history.flatMap((entry): Violation[] => {
      if (entry.kind === 'defect') return [{ invariant: 'no defect', ...entry }];
      if (entry.kind === 'not-recovered') return [{ invariant: 'recovered', ...entry }];
      return [];
    }),
  ];
  return violations
    .map(({ invariant, at, description }) => ({ invariant, at, description }))
    .sort((one, other) => one.at - other.at);
}

function violation(invariant: Invariant, exchange: Exchange, why: string): Violation {
  const { who, action, process, sessionId, sentAt, endedAt, answer } = exchange;
  const told = answer ? `${answer.status} ${answer.code ?? ''}` : 'no answer';
  const description = `${why}: ${who} ${action} at ${process}, session ${sessionId ?? '-'}, sent ${sentAt.toFixed()}: ${told}`;
  return { invariant, at: endedAt, description };
}

function wrongStatus(exchange: Exchange): Violation[] {
  const { answer } = exchange;
  if (!answer || answer.status < 500) return [];
  if (answer.status !== 503) return [violation('no 500', exchange, 'an error that is no refusal')];
  return answer.retryAfter ? [] : [violation('no 500', exchange, 'a 503 without Retry-After')];
}

/** An honest client is told that its session is over, although no request has ended it. */
function lostSession(exchange: Exchange, sessions: Sessions): Violation[] {
  const { role, answer, sessionId, endedAt } = exchange;
  if (role !== 'honest' || !answer?.code || !ENDED.includes(answer.code)) return [];
  if (sessionId === undefined || sessions.isExcused(sessionId, endedAt)) return [];
  return [violation('no session lost', exchange, 'no request has ended the session')];
}

function falseThefts(history: readonly Entry[], sessions: Sessions): Violation[] {
  const events = history.flatMap((entry): Violation[] => {
    if (entry.kind !== 'theft' || sessions.mayBeStolen(entry.sessionId, entry.at)) return [];
    const description = `${entry.class} was declared at ${entry.process}, session ${entry.sessionId}`;
    return [{ invariant: 'no false theft', at: entry.at, description }];
  });
  const answers = sessions.exchanges
    .filter(({ answer, sessionId }) => answer?.code === 'token_theft_detected' && sessionId !== undefined)
    .filter(({ sessionId, endedAt }) => !sessions.mayBeStolen(sessionId!, endedAt))
    .map(exchange => violation('no false theft', exchange, 'its tokens were not copied'));
  return [...events, ...answers];
}

/** What was revoked, with an answer that says so, is accepted after the time that is promised. */
function accepted(exchange: Exchange, sessions: Sessions, mode: Mode): Violation[] {
  const { action, answer, sessionId, sentAt, issued } = exchange;
  if (answer?.status !== 200 || sessionId === undefined) return [];
  if (action === 'refresh') {
    const end = sessions.endsRefreshing(sessionId).find(({ endedAt }) => sentAt > endedAt + ROUNDING_MS);
    return end ? [violation('nothing revoked accepted', exchange, `${end.action} of ${end.endedAt.toFixed()}`)] : [];
  }
  if (action !== 'use' || !issued || mode === 'stateless') return [];
  const revocation = sessions.revokesAccess(sessionId, issued).find(({ endedAt, process }) => {
    const isAtOnce = mode === 'strict' || process === exchange.process;
    return sentAt > endedAt + ROUNDING_MS + (isAtOnce ? 0 : MAX_STALENESS_MS);
  });
  if (!revocation) return [];
  const why = `${revocation.action} at ${revocation.process}, answered ${revocation.endedAt.toFixed()}`;
  return [violation('nothing revoked accepted', exchange, why)];
}

/** What was written, with an answer that says so, is not found afterwards. */
function invisible(exchange: Exchange, sessions: Sessions): Violation[] {
  const { action, answer, sessionId, sentAt, endedAt, issued, userId } = exchange;
  if (answer?.status !== 200) return [];
  if (action === 'use' && sessionId !== undefined && issued) {
    const written = sessions.claimsSetBefore(sessionId, issued.from);
    if (written > (answer.change ?? 0)) {
      return [violation('every write visible', exchange, `claims of change ${written} are missing`)];
    }
  }
  if (action !== 'list') return [];
  const listed = new Set(answer.sessions);
  const missing = sessions
    .begunBefore(userId!, sentAt)
    .filter(id => !listed.has(id) && !sessions.isExcused(id, endedAt));
  const still = [...listed].filter(id => sessions.endOf(id).some(end => end.endedAt + ROUNDING_MS < sentAt));
  return [
    ...missing.map(id => violation('every write visible', exchange, `session ${id} is missing in the list`)),
    ...still.map(id => violation('every write visible', exchange, `session ${id} has ended and is in the list`)),
  ];
}

/** Two parties with one token go on by turns that are apart, and nothing is noticed. */
function missedThefts(sessions: Sessions): Violation[] {
  return sessions.copied.flatMap(({ sessionId, at }): Violation[] => {
    if (sessions.mayBeRolledBack(sessionId, Infinity)) return [];
    const refreshes = sessions.refreshesOf(sessionId).filter(({ sentAt }) => sentAt > at);
    let turns = 0;
    let last: Exchange | undefined;
    let turnOf: Exchange['role'] | undefined;
    for (const refresh of refreshes) {
      const { role, answer, sentAt } = refresh;
      if (last && last.role !== role && sentAt - last.endedAt < APART_MS - PATIENCE_MS) return [];
      last = refresh;
      if (answer?.status !== 200 || role === turnOf) continue;
      turnOf = role;
      turns++;
      if (turns > MAX_TURNS) return [violation('no missed theft', refresh, `${turns} turns of two parties`)];
    }
    return [];
  });
}
