import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { SessionClock } from '../common/clock.js';
import { SessionOptionsError } from '../common/option-mistakes.js';
import { randomBytes } from '../common/random.js';
import { KeyRing } from '../keys/key-ring.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import type { FactKind, LoggedFact } from '../rules/revocation-log.js';
import type { RaisedVersion } from '../rules/revocation-state.js';
import { SESSION_MODULE_EXTRAS } from '../session.constants.js';
import { RevocationFeed } from './revocation-feed.js';
import {
  digestOf,
  MAX_PAGE_FACTS,
  MAX_PAGE_HINTS,
  MAX_PAGE_KEYS,
  MAX_REASON_LENGTH,
  type PageCursor,
  type PageProof,
  PROOF_TYPE,
  type RevocationPage,
  writeCursor,
} from './revocation-page.js';
import { Revocations } from './revocations.js';

/** A page as it is sent. */
export interface PublishedPage {
  readonly text: string;
  readonly digest: string;
}

/** What this process knows of revocations, for services that verify access tokens without the database. */
@Injectable()
export class PublishedRevocations {
  // Not a provider: `app.get(JwtService)` must find the application's own instance.
  private readonly jwt = new JwtService();
  /** Numbers of the log mean something in this process only. */
  private readonly processId = randomBytes(12).toString('base64url');

  constructor(
    private readonly options: ResolvedSessionOptions,
    @Inject(SESSION_MODULE_EXTRAS) { revocations: isServed }: SessionModuleExtras,
    private readonly revocations: Revocations,
    private readonly feed: RevocationFeed,
    private readonly keys: KeyRing,
    private readonly clock: SessionClock,
  ) {
    if (isServed && options.revocation.mode !== 'live') {
      throw new SessionOptionsError([
        `option "revocations" serves what a process knows in mode "live": write revocation: { mode: 'live' }, or leave "revocations" out`,
      ]);
    }
  }

  /**
   * Reads the next page from memory.
   *
   * @param cursors where the reader is in the logs of processes; without that of this process it reads from the beginning
   */
  page(cursors: readonly PageCursor[]): PublishedPage {
    const { next: from = 0 } = cursors.find(({ processId }) => processId === this.processId) ?? {};
    const { facts, next, more } = this.revocations.log!.read(from, MAX_PAGE_FACTS, this.clock.monotonic());
    const hints = this.revocations.hintsUpTo(MAX_PAGE_HINTS);
    const page: RevocationPage = {
      cursor: writeCursor({ processId: this.processId, next }),
      more,
      sessions: endedIn(facts),
      users: raisedIn(facts, 'users'),
      claims: raisedIn(facts, 'claims'),
      keys: this.keys.distrustedKeys.slice(-MAX_PAGE_KEYS),
      hints: { ...hints, sessions: hints.sessions.map(({ id, reason }) => endedSession(id, reason)) },
    };
    const text = JSON.stringify(page);
    return { text, digest: digestOf(text) };
  }

  /**
   * Signs what a reader must know to rely on a page.
   *
   * @throws SessionStoreUnavailableError if no key signs now
   */
  proof(nonce: string, digest: string): string {
    const { kid, privateKey, algorithm } = this.keys.requireSigningKey();
    const { lifetime, issuer: iss } = this.options.accessToken;
    const iat = this.clock.now() / 1000;
    const proof: PageProof = { nonce, digest, staleness: this.feed.staleness, lifetime, iat, iss };
    return this.jwt.sign(proof, { privateKey, algorithm, header: { alg: algorithm, typ: PROOF_TYPE, kid } });
  }
}

function endedIn(facts: readonly LoggedFact[]) {
  return facts.filter(({ kind }) => kind === 'sessions').map(({ id, value }) => endedSession(id, value as string));
}

function endedSession(id: string, reason: string) {
  return { id, reason: reason.slice(0, MAX_REASON_LENGTH) };
}

function raisedIn(facts: readonly LoggedFact[], of: FactKind): RaisedVersion[] {
  return facts.filter(({ kind }) => kind === of).map(({ id, value }) => ({ id, version: value as number }));
}
