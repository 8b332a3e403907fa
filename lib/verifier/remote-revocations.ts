import { Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { SessionClock, SessionTimers } from '../common/clock.js';
import type { VerificationKeys } from '../keys/key-ring.js';
import { CLOCK_MARGIN_MS, refusalOf, spanOf } from '../revocation/refusal.js';
import { type PageProof, readCursor, type RevocationPage } from '../revocation/revocation-page.js';
import { elapsed, type Moment, RevocationState } from '../rules/revocation-state.js';
import { AccessTokenExpiredError, AccessTokenInvalidError, SessionStoreUnavailableError } from '../session.errors.js';
import type { VerifiedToken } from '../tokens/access-token.claims.js';
import { RevocationClient } from './revocation-client.js';
import type { VerifierStatus } from './session-verifier-health.indicator.js';
import type { ResolvedVerifierOptions } from './session-verifier.options.js';

/** How often it is checked whether a poll is due; also how often it is polled while something is wrong. */
const TICK_MS = 1_000;

/** How long a page may take, at most. The first poll may take that long in any case: nothing is known before it. */
const PAGE_TIMEOUT_MS = 5_000;

/** A poll reads at most this many pages: two million revocations. */
const MAX_PAGES = 1_000;

/** Processes of the issuing application whose place in the log is remembered. */
const MAX_PROCESSES = 64;

/**
 * What the issuing application has revoked, as far as this service knows it.
 *
 * | learned from | counts |
 * |---|---|
 * | facts of a page | one span: they are never taken back |
 * | hints of a page | until the next page, unless that one repeats them |
 *
 * Behind a load balancer each page may come from another process, each of which has a log of its own. A cursor for each of
 * them is kept, so that none repeats what it has sent.
 */
export class RemoteRevocations implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('SessionVerifier');
  private readonly client: RevocationClient;
  private readonly state = new RevocationState(0);
  private readonly distrusted = new Set<string>();
  /** The cursor of each process, the one that answered last at the end. */
  private readonly cursors = new Map<string, string>();
  /** The digest of the last page that was merged. */
  private digest?: string;
  private readonly shutdown = new AbortController();
  private timer?: NodeJS.Timeout;
  private lastPoll = Promise.resolve();
  private isPolling = false;
  /** The lifetime of access tokens, which the issuing application tells. */
  private lifetime = Infinity;
  /** When what is known here was known to the database. */
  private freshAt?: Moment;
  private polledAt?: Moment;
  private isReachable = true;
  private hasWarnedOfClocks = false;
  private hasWarnedOfStaleness = false;

  constructor(
    private readonly options: ResolvedVerifierOptions,
    keys: VerificationKeys,
    private readonly clock: SessionClock,
    private readonly timers: SessionTimers,
  ) {
    const { url, token } = options.revocations;
    // A key that was distrusted may be in the hands of the one who answers.
    const trusted = {
      find: async (kid: string, algorithm: string) =>
        this.distrusted.has(kid) ? undefined : keys.find(kid, algorithm),
    };
    this.client = new RevocationClient({ url: url!, token: token!, issuer: options.issuer }, trusted);
  }

  /** Polls before the first request. A failure is logged: the issuing application may start later than this one. */
  async onModuleInit(): Promise<void> {
    await this.poll(PAGE_TIMEOUT_MS);
    this.timer = this.timers.every(Math.min(TICK_MS, this.interval), () => void this.tick());
  }

  onModuleDestroy(): void {
    this.timers.clear(this.timer);
    this.shutdown.abort();
  }

  /**
   * Refuses a token that was revoked. Expiry comes after this: refreshing an ended session would not help.
   *
   * @throws SessionRevokedError, TokenTheftDetectedError, AccessTokenInvalidError, AccessTokenExpiredError
   */
  requireByMemory(token: VerifiedToken): void {
    const refusal = refusalOf(this.state, token);
    if (refusal) throw refusal.about(token.sessionId);
  }

  /**
   * Refuses a token of a distrusted key, and one that is older than the present lifetime: its revocation may be forgotten.
   *
   * @param now the process's time
   * @throws AccessTokenExpiredError, AccessTokenInvalidError; SessionStoreUnavailableError if too little is known
   */
  requireCurrent({ kid, iat }: VerifiedToken, now: number): void {
    if (this.distrusted.has(kid)) throw new AccessTokenInvalidError();
    if (now >= iat * 1000 + this.lifetime) throw new AccessTokenExpiredError();
    if (this.canAnswerAt(now)) return;
    throw new SessionStoreUnavailableError(
      'What the issuing application has revoked is not known at the moment: try again; repeating is safe',
    );
  }

  /** Polls when it is due: at the interval while all is well, at every tick while something is wrong. */
  async tick(): Promise<void> {
    const due = this.isReachable && this.isFreshAt(this.clock.now()) ? this.interval : 0;
    if (this.isPolling || (this.polledAt && elapsed(this.polledAt, this.moment()) < due)) return;
    await this.poll();
  }

  /**
   * Reads all pages, after a poll that is under way. A failure is logged.
   *
   * @param timeout milliseconds for each page
   */
  poll(timeout = Math.min(this.interval, PAGE_TIMEOUT_MS)): Promise<void> {
    this.lastPoll = this.lastPoll.then(() => this.pollOnce(timeout));
    return this.lastPoll;
  }

  private async pollOnce(timeout: number): Promise<void> {
    this.isPolling = true;
    try {
      for (let pages = 0; await this.readPage(timeout); pages++) {
        if (pages === MAX_PAGES) throw new Error('the answer has too many pages');
      }
      this.report();
    } catch (error) {
      if (!this.shutdown.signal.aborted) this.report(error);
    } finally {
      this.isPolling = false;
    }
  }

  /** @returns whether there is another page */
  private async readPage(timeout: number): Promise<boolean> {
    const sent = this.moment();
    this.polledAt = sent;
    const late = new AbortController();
    const end = this.timers.giveUpAfter(timeout, () => late.abort(new Error('the answer is late')));
    const signal = AbortSignal.any([late.signal, this.shutdown.signal]);
    const { proof, page } = await this.client.fetch([...this.cursors.values()], this.digest, signal).finally(end);
    this.compareClocks(proof, sent);
    this.lifetime = proof.lifetime;
    this.state.span = spanOf({ lifetime: proof.lifetime, clockTolerance: this.options.clockTolerance });
    if (page) this.merge(page);
    else this.state.merge({}, this.clock.monotonic());
    // Not earlier: a page that was not merged must come again.
    this.digest = proof.digest;
    if (page?.more) return true;
    this.noteFreshness(sent, proof.staleness);
    return false;
  }

  /** The process that has answered was that far behind when the request was sent, or less. */
  private noteFreshness({ monotonic, wall }: Moment, staleness: number): void {
    const now = this.moment();
    const freshAt = { monotonic: monotonic - staleness, wall: wall - staleness };
    // Another process may have told more before: nothing that is known is taken back.
    if (!this.freshAt || elapsed(freshAt, now) < elapsed(this.freshAt, now)) this.freshAt = freshAt;
    // What is left of `maxStaleness` must be enough for this service's own interval.
    const isLarge = staleness + this.interval > this.options.revocations.maxStaleness;
    if (isLarge && !this.hasWarnedOfStaleness) {
      this.logger.warn(
        `what the issuing application knows is ${staleness} ms old already: lengthen revocations.maxStaleness, or shorten revocation.maxStaleness there`,
      );
    }
    this.hasWarnedOfStaleness = isLarge;
  }

  private merge({ cursor, more, keys, hints, ...facts }: RevocationPage): void {
    const { processId, next } = readCursor(cursor)!;
    const before = readCursor(this.cursors.get(processId) ?? '');
    if (more && before && next <= before.next) throw new Error('the answer repeats a page');
    const now = this.clock.monotonic();
    for (const kid of keys) this.distrusted.add(kid);
    this.state.startPoll();
    this.state.merge(facts, now, 'answer');
    this.state.finishPoll(now);
    this.state.merge(hints, now, 'hint');
    this.cursors.delete(processId);
    this.cursors.set(processId, cursor);
    if (this.cursors.size > MAX_PROCESSES) this.cursors.delete(this.cursors.keys().next().value!);
  }

  /** How many sessions and users are kept in memory. */
  get size(): number {
    return this.state.size;
  }

  get status(): VerifierStatus {
    const { freshAt } = this;
    return {
      status: this.canAnswerAt(this.clock.now()) ? 'up' : 'down',
      ...(freshAt && { staleness: Math.round(elapsed(freshAt, this.moment())) }),
    };
  }

  private canAnswerAt(wall: number): boolean {
    return this.options.revocations.onStale === 'accept' || this.isFreshAt(wall);
  }

  private isFreshAt(wall: number): boolean {
    if (this.freshAt === undefined) return false;
    const now = { monotonic: this.clock.monotonic(), wall };
    return elapsed(this.freshAt, now) <= this.options.revocations.maxStaleness;
  }

  private get interval(): number {
    return this.options.revocations.maxStaleness / 3;
  }

  /** Logs the first failure after a success, and the first success after a failure. */
  private report(error?: unknown): void {
    const wasReachable = this.isReachable;
    this.isReachable = error === undefined;
    if (this.isReachable === wasReachable) return;
    if (error === undefined) return this.logger.log('revocations arrive again');
    const { url, onStale, maxStaleness } = this.options.revocations;
    const then = onStale === 'refuse' ? 'requests are refused' : 'what is revoked is accepted';
    this.logger.error(
      `the revocations at ${url} cannot be fetched: ${reasonOf(error)}; after ${maxStaleness / 1000} s ${then} until they can`,
    );
  }

  /**
   * Clocks that differ make fresh tokens look issued in the future.
   *
   * @throws Error if this clock is so slow that tokens look valid here when their revocation is forgotten
   */
  private compareClocks({ iat }: PageProof, sent: Moment): void {
    const now = this.clock.now();
    const lag = Math.round(iat * 1000 - now);
    if (lag > CLOCK_MARGIN_MS)
      throw new Error(`this machine's clock is ${lag} ms behind that of the issuing application`);
    const offset = Math.abs(iat * 1000 - (sent.wall + now) / 2);
    const isLarge = offset > this.options.clockTolerance / 2;
    if (isLarge && !this.hasWarnedOfClocks) {
      this.logger.warn(
        `this machine's clock is ${Math.round(offset)} ms off that of the issuing application: above clockTolerance tokens are refused`,
      );
    }
    this.hasWarnedOfClocks = isLarge;
  }

  private moment(): Moment {
    return { monotonic: this.clock.monotonic(), wall: this.clock.now() };
  }
}

function reasonOf(error: unknown): string {
  // fetch hides the reason of the network behind "fetch failed".
  const { message, cause } = error as { message?: unknown; cause?: { message?: unknown } };
  return String(cause?.message ?? message ?? error);
}
