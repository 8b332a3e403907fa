import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ClaimsFunction, ClaimsProvider, ClaimsRequest } from '../options/session-options.js';
import type { SessionClaims } from '../session.types.js';
import { checkClaims } from './input-checks.js';

/** Asks the application for a user's claims, at login and at each refresh (F23). */
@Injectable()
export class ClaimsHook {
  private ask?: ClaimsFunction;

  constructor(
    private readonly options: ResolvedSessionOptions,
    private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * @returns the claims that count from now on; those of the request where there is no hook; null refuses the user
   * @throws InvalidRequestError for claims that cannot be kept
   */
  async claimsFor(request: ClaimsRequest): Promise<SessionClaims | null> {
    if (!this.options.claims) return request.claims;
    this.ask ??= this.resolve();
    const claims = await this.ask(request);
    if (claims !== null) checkClaims(claims);
    return claims;
  }

  // At first use and not when the application starts: a users service that injects SessionService, and that SessionModule
  // would need, would be a circle.
  private resolve(): ClaimsFunction {
    const hook = this.options.claims!;
    if (typeof (hook.prototype as ClaimsProvider | undefined)?.claimsFor !== 'function') return hook as ClaimsFunction;
    const provider = this.moduleRef.get<ClaimsProvider>(hook, { strict: false });
    return request => provider.claimsFor(request);
  }
}
