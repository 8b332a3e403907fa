import { Injectable, type OnModuleInit, Scope, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { EntityManager } from 'typeorm';
import { SessionOptionsError } from '../common/option-mistakes.js';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ClaimsFunction, ClaimsProvider, ClaimsRequest } from '../options/session-options.js';
import { SessionRevokedError } from '../session.errors.js';
import type { SessionClaims } from '../session.types.js';
import { checkClaims } from './input-checks.js';
import { SessionRevoker } from './log-out.js';

/** Asks the application for a user's claims, at login and at each refresh (F23). */
@Injectable()
export class ClaimsHook implements OnModuleInit {
  private hook?: ClaimsFunction;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly moduleRef: ModuleRef,
    private readonly revoker: SessionRevoker,
  ) {}

  /**
   * @returns the claims that count from now on; those of the request where there is no hook
   * @throws InvalidRequestError for claims that cannot be kept
   * @throws SessionRevokedError where the hook refuses the user; all sessions of the user have ended
   */
  async claimsFor(request: ClaimsRequest, manager?: EntityManager): Promise<SessionClaims> {
    if (!this.options.claims) return request.claims;
    this.hook ??= await this.resolve(this.options.claims);
    const claims = await this.hook(request);
    if (claims !== null) {
      checkClaims(claims);
      return claims;
    }
    await this.revoker.revoke({ userId: request.userId }, 'refused-by-claims', manager);
    throw new SessionRevokedError();
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

/** Classes cannot be called. Their `prototype` is not writable, other than that of functions. */
function isClass(claims: object): claims is Type<ClaimsProvider> {
  return (
    Object.getOwnPropertyDescriptor(claims, 'prototype')?.writable === false ||
    typeof (claims as Partial<Type<Partial<ClaimsProvider>>>).prototype?.claimsFor === 'function'
  );
}
