import { Injectable } from '@nestjs/common';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { RevocationKeys } from '../rules/revocation-state.js';
import {
  AccessTokenExpiredError,
  AccessTokenInvalidError,
  revokedError,
  SessionExpiredError,
} from '../session.errors.js';
import { SessionClock, SessionTimers } from '../common/clock.js';
import { RevocationStore, type SessionValidity } from '../store/revocation.store.js';
import { StoreLoad } from '../store/store-load.js';
import { RevocationFeed } from './revocation-feed.js';
import { Revocations } from './revocations.js';

/** Requests of one session share an answer of the database that is younger than this. */
const SHARED_ANSWER_TTL_MS = 1_000;

/** How long a request waits for the database before it is refused with 503. */
const TIMEOUT_MS = 5_000;

interface Asking {
  readonly since: number;
  readonly answer: Promise<SessionValidity>;
}

/**
 * Tells whether a token was revoked.
 *
 * | mode | asked |
 * |---|---|
 * | `live` | memory; also the database, while the feed is older than `maxStaleness` |
 * | `strict` | memory and the database, for each request |
 * | `stateless` | neither |
 */
@Injectable()
export class RevocationCheck {
  private readonly asking = new Map<string, Asking>();
  private readonly mode: 'live' | 'stateless' | 'strict';

  constructor(
    options: ResolvedSessionOptions,
    private readonly revocations: Revocations,
    private readonly feed: RevocationFeed,
    private readonly store: RevocationStore,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
    private readonly load: StoreLoad,
  ) {
    this.mode = options.revocation.mode;
  }

  /** @throws SessionRevokedError, TokenTheftDetectedError, AccessTokenInvalidError, AccessTokenExpiredError */
  requireByMemory(token: RevocationKeys): void {
    if (this.mode === 'stateless') return;
    const refusal = this.revocations.refusalOf(token);
    if (refusal) throw refusal;
  }

  /**
   * For a token that need not count any more: checks by memory that its session has not ended.
   *
   * @throws SessionRevokedError, TokenTheftDetectedError
   */
  requireNotEnded({ sessionId, actor }: RevocationKeys): void {
    const reason = this.revocations.endOf(sessionId) ?? (actor && this.revocations.endOf(actor.sessionId));
    if (reason !== undefined) throw revokedError(reason);
  }

  /**
   * Asks the database if memory is not recent enough.
   *
   * @param now the process's time
   * @returns undefined if memory is recent enough, so that most requests await nothing
   * @throws like `requireByMemory`; SessionExpiredError; SessionStoreUnavailableError if the database does not answer
   */
  requireByDatabase(token: RevocationKeys, now: number): Promise<void> | undefined {
    if (this.mode === 'stateless' || (this.mode === 'live' && this.feed.isFreshAt(now))) return undefined;
    return this.ask(token);
  }

  private async ask(token: RevocationKeys): Promise<void> {
    const validity = await this.shared(token.sessionId);
    const { endedBy, accessVersion, actorAccessVersion, tokenVersion, distrustedKeys } = validity;
    this.revocations.mergeRemote({ keys: distrustedKeys });
    if (endedBy === 'expired') throw new SessionExpiredError();
    if (endedBy !== undefined) this.revocations.mergeRemote({ sessions: [{ id: token.sessionId, reason: endedBy }] });
    this.requireByMemory(token);
    if (accessVersion > token.accessVersion || (token.actor && actorAccessVersion > token.actor.accessVersion))
      throw new AccessTokenInvalidError();
    if (tokenVersion > token.tokenVersion) throw new AccessTokenExpiredError();
  }

  private shared(sessionId: string): Promise<SessionValidity> {
    const asking = this.asking.get(sessionId);
    // In strict mode an answer must be read after the request came: nothing is shared then.
    if (asking && this.mode === 'live' && this.clock.monotonic() - asking.since < SHARED_ANSWER_TTL_MS)
      return asking.answer;
    const answer = this.load.run(() => this.store.readValidity(sessionId, TIMEOUT_MS), true);
    const asked = { since: this.clock.monotonic(), answer };
    this.asking.set(sessionId, asked);
    const forget = () => {
      if (this.asking.get(sessionId) === asked) this.asking.delete(sessionId);
    };
    answer.then(() => this.timers.after(SHARED_ANSWER_TTL_MS, forget), forget);
    return answer;
  }
}
