import { Injectable, Logger, type OnModuleInit, Scope, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { EntityManager } from 'typeorm';
import { isDeepStrictEqual } from 'node:util';
import { SessionTimers } from '../common/clock.js';
import { SessionOptionsError } from '../common/option-mistakes.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ClaimsFunction, ClaimsProvider, ClaimsRequest } from '../options/session-options.js';
import { SessionRevokedError, SessionStoreUnavailableError } from '../session.errors.js';
import type { SessionClaims, TokenTransport } from '../session.types.js';
import { SessionStore } from '../store/session.store.js';
import type { SessionRow } from '../store/sql-fragments.js';
import { checkClaims } from './input-checks.js';
import { SessionRevoker } from './log-out.js';
import { SessionTokens } from './session-tokens.js';

/** How often the hook is asked again when `setClaims` changes the claims meanwhile. */
const MAX_ATTEMPTS = 3;

/** A hook that never answers would keep the turn of its request, and then no other request would be let in. */
const TIMEOUT_MS = 10_000;

/** Asks the application for a user's claims, at login and at each refresh (F23). */
@Injectable()
export class ClaimsHook implements OnModuleInit {
  private readonly logger = new Logger('SessionClaims');
  private hook?: ClaimsFunction;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly moduleRef: ModuleRef,
    private readonly store: SessionStore,
    private readonly revoker: SessionRevoker,
    private readonly tokens: SessionTokens,
    private readonly timers: SessionTimers,
  ) {}

  get isUsed(): boolean {
    return this.options.claims !== undefined;
  }

  /**
   * Replaces the claims of a row that was just written by those that the application gives the user now. The row comes
   * first, so that a log-out or an invalidation after the hook was asked covers the tokens that are about to be issued.
   *
   * @param isNew whether no token of the session was issued yet, so that its end is no event
   * @returns the row with the claims that its tokens carry
   * @throws SessionUsageError for claims that cannot be kept or make the access token too long
   * @throws SessionRevokedError where the hook refuses the user, whose sessions have ended, and where the session has
   * ended
   */
  async apply<Row extends SessionRow>(
    row: Row,
    transport: TokenTransport,
    { manager, isNew = false }: { manager?: EntityManager; isNew?: boolean } = {},
  ): Promise<Row> {
    let current = row;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const { id, user_id: userId, token_version: tokenVersion } = current;
      const actor = current.actor && { userId: current.actor.userId, sessionId: current.actor.sessionId };
      const request = { userId, sessionId: id, claims: current.claims, ...(actor && { actor }) };
      const claims = await this.ask(request, { manager, except: isNew ? id : undefined });
      if (isDeepStrictEqual(claims, current.claims)) return current;
      this.tokens.requireIssuable(userId, claims, transport, actor);
      if (await this.store.storeHookClaims(id, tokenVersion, claims, manager)) return { ...current, claims };
      const changed = await this.store.get(id, manager);
      if (!changed) throw new SessionRevokedError();
      current = { ...current, claims: changed.claims, token_version: changed.token_version };
    }
    throw new SessionStoreUnavailableError('The claims of the session are being changed: try again');
  }

  /**
   * The claims that the application gives the user now.
   *
   * @throws SessionUsageError for claims that cannot be kept
   * @throws SessionRevokedError where the hook refuses the user, whose sessions have ended, but the one of `except`
   * @throws SessionStoreUnavailableError where the hook does not answer within ten seconds
   */
  async ask(
    request: ClaimsRequest,
    { manager, except }: { manager?: EntityManager; except?: string } = {},
  ): Promise<SessionClaims> {
    this.hook ??= await this.resolve(this.options.claims!);
    const claims = await this.timers.within(TIMEOUT_MS, Promise.resolve(this.hook(request)), () => this.late());
    if (claims === null) {
      await this.revoker.revoke({ userId: request.userId, except }, 'refused-by-claims', manager);
      throw new SessionRevokedError();
    }
    checkClaims(claims);
    return claims;
  }

  private late(): SessionStoreUnavailableError {
    this.logger.error(
      `option "claims" has not answered within ${TIMEOUT_MS / 1_000} s: limit the time of what it asks`,
    );
    return new SessionStoreUnavailableError('The claims of the user are not known at the moment: try again');
  }

  /** By now Nest has made all providers, also those that inject SessionService. */
  async onModuleInit(): Promise<void> {
    if (this.options.claims) this.hook = await this.resolve(this.options.claims);
  }

  private async resolve(claims: NonNullable<ResolvedSessionOptions['claims']>): Promise<ClaimsFunction> {
    if (!isClass(claims)) return claims as ClaimsFunction;
    const provider = await this.find(claims);
    if (typeof provider.claimsFor !== 'function') {
      throw new SessionOptionsError([`option "claims": ${claims.name} has no method claimsFor: write one`]);
    }
    return request => provider.claimsFor(request);
  }

  private async find(type: Type<ClaimsProvider>): Promise<ClaimsProvider> {
    const scope = this.scopeOf(type);
    if (scope === undefined) {
      throw new SessionOptionsError([
        `option "claims": no module provides ${type.name}: add it to the "providers" of a module, or write a function`,
      ]);
    }
    if (scope === Scope.REQUEST) {
      throw new SessionOptionsError([
        `option "claims": ${type.name} or something that it injects is request-scoped: write a provider that is one for all requests, and find the user by the userId that claimsFor receives`,
      ]);
    }
    const options = { strict: false };
    return scope === Scope.TRANSIENT
      ? this.moduleRef.resolve(type, undefined, options)
      : this.moduleRef.get(type, options);
  }

  private scopeOf(type: Type<ClaimsProvider>): Scope | undefined {
    try {
      return this.moduleRef.introspect(type).scope;
    } catch {
      // No module provides it.
      return undefined;
    }
  }
}

/** Classes cannot be called. Unlike that of functions, their `prototype` is not writable. */
function isClass(claims: object): claims is Type<ClaimsProvider> {
  return (
    Object.getOwnPropertyDescriptor(claims, 'prototype')?.writable === false ||
    typeof (claims as Partial<Type<Partial<ClaimsProvider>>>).prototype?.claimsFor === 'function'
  );
}
