import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { EntityManager } from 'typeorm';
import { ResolvedSessionOptions } from '../options/resolve-options.js';
import type { ClaimsFunction, ClaimsProvider, ClaimsRequest } from '../options/session-options.js';
import { SessionRevokedError } from '../session.errors.js';
import type { SessionClaims } from '../session.types.js';
import { checkClaims } from './input-checks.js';
import { SessionRevoker } from './log-out.js';

/** Asks the application for a user's claims, at login and at each refresh (F23). */
@Injectable()
export class ClaimsHook {
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
    this.hook ??= this.resolve();
    const claims = await this.hook(request);
    if (claims !== null) {
      checkClaims(claims);
      return claims;
    }
    await this.revoker.revoke({ userId: request.userId }, 'refused-by-claims', manager);
    throw new SessionRevokedError();
  }

  // At first use and not at start: a users service may inject SessionService, which would be a circle.
  private resolve(): ClaimsFunction {
    const hook = this.options.claims!;
    if (typeof (hook.prototype as ClaimsProvider | undefined)?.claimsFor !== 'function') return hook as ClaimsFunction;
    const provider = this.moduleRef.get<ClaimsProvider>(hook, { strict: false });
    return request => provider.claimsFor(request);
  }
}
