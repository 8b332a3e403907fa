import { setTimeout as sleep } from 'node:timers/promises';
import type { ApplicationProcess } from './application-process.js';
import type { AccessToken, ReadAnswer } from './credentials.js';
import type { Action, Answered, Entry, Exchange } from './history.js';
import type { Random } from './random.js';
import { type Operation, PATIENCE_MS } from './settings.js';

/** The part of an entry of the history that is known before a request is sent. */
export interface Purpose {
  readonly who: string;
  readonly role: Exchange['role'];
  readonly action: Action;
  readonly sessionId?: string;
  readonly userId?: string;
  readonly issued?: Exchange['issued'];
  readonly change?: number;
}

export interface Sending {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Milliseconds after which the client gives up. */
  readonly patience?: number;
}

/** Operators wait for longer than the library does. */
const OPERATOR_PATIENCE_MS = 15_000;

const ACCESS_TOKENS_KEPT = 60;

/** The processes, the clock and the history of a campaign. All its parts share it. */
export class Stage {
  readonly history: Entry[] = [];
  /** Access tokens that a thief has copied, the newest last. */
  readonly copies: AccessToken[] = [];
  isOver = false;
  private since = performance.now();

  constructor(readonly processes: readonly ApplicationProcess[]) {}

  /** The campaign's time begins now. */
  begin(): void {
    this.since = performance.now();
  }

  get now(): number {
    return performance.now() - this.since;
  }

  /** Ends early when the campaign is over. */
  async pause(milliseconds: number): Promise<void> {
    for (const end = this.now + milliseconds; this.now < end && !this.isOver;) {
      await sleep(Math.min(200, Math.max(1, end - this.now)));
    }
  }

  lastSessionOf(userId: string): string | undefined {
    const logIns = this.history.filter(entry => entry.kind === 'exchange').filter(({ action }) => action === 'log-in');
    return logIns.findLast(logIn => logIn.userId === userId && logIn.sessionId !== undefined)?.sessionId;
  }

  /** A thief copies the access token. */
  copyAccess(access: AccessToken): void {
    this.copies.push(access);
    if (this.copies.length > ACCESS_TOKENS_KEPT) this.copies.shift();
  }

  /** @returns the answer, if it was read in time */
  async send(process: ApplicationProcess, sending: Sending, purpose: Purpose): Promise<ReadAnswer | undefined> {
    const sentAt = this.now;
    const patience = sending.patience ?? PATIENCE_MS;
    const answer = await readAnswer(`${process.url}${sending.path}`, sending, patience);
    const endedAt = this.now;
    // The timer of a process that was busy is late.
    const read = endedAt - sentAt > patience ? undefined : answer;
    const begun = purpose.action === 'log-in' && read?.status === 200 ? String(read.body.sessionId) : undefined;
    this.history.push({
      kind: 'exchange',
      ...purpose,
      ...(begun === undefined ? {} : { sessionId: begun }),
      process: process.name,
      sentAt,
      endedAt,
      ...(read ? { answer: summary(read) } : {}),
    });
    return read;
  }

  use(who: string, role: Exchange['role'], process: ApplicationProcess, access: AccessToken, patience?: number) {
    const { headers, sessionId, issued } = access;
    return this.send(process, { path: '/me', headers, patience }, { who, role, action: 'use', sessionId, issued });
  }

  operate(random: Random, operation: Operation): Promise<ReadAnswer | undefined> {
    const { verb, ...about } = operation;
    return this.send(
      random.pick(this.processes),
      { path: '/operate', method: 'POST', body: operation, patience: OPERATOR_PATIENCE_MS },
      { who: 'operator', role: 'operator', action: verb, ...about },
    );
  }
}

async function readAnswer(
  url: string,
  { method = 'GET', headers = {}, body }: Sending,
  patience: number,
): Promise<ReadAnswer | undefined> {
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(Math.max(1, Math.floor(patience))),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
      retryAfter: response.headers.get('retry-after') ?? undefined,
      setCookie: response.headers.getSetCookie(),
    };
  } catch {
    return undefined;
  }
}

function summary({ status, body, retryAfter }: ReadAnswer): Answered {
  const claims = body.claims as { change?: number } | undefined;
  return {
    status,
    ...(typeof body.errorCode === 'string' ? { code: body.errorCode } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(claims?.change === undefined ? {} : { change: claims.change }),
    ...(Array.isArray(body.sessions) ? { sessions: body.sessions as string[] } : {}),
  };
}
