import { Injectable } from '@nestjs/common';
import type { ClaimsProvider, ClaimsRequest, SessionClaims } from '../index.js';
import { AccountStore } from './store/account.store.js';

/**
 * Keeps sessions in step with accounts: `SessionModule.forRoot({ claims: AccountClaims })`. At login and at each
 * refresh the role is read again, and an account that is disabled or gone loses all its sessions. Extend it for more
 * claims.
 */
@Injectable()
export class AccountClaims implements ClaimsProvider {
  constructor(protected readonly accounts: AccountStore) {}

  async claimsFor({ userId, claims }: ClaimsRequest): Promise<SessionClaims | null> {
    const account = await this.accounts.findById(userId);
    return !account || account.disabledAt ? null : { ...claims, role: account.role };
  }
}
