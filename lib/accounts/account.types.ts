import type { TransactionOption } from '../index.js';

/** An account as the store keeps it. */
export interface Account {
  /** A UUID version 7; the user id of the account's sessions. */
  readonly id: string;
  /** As its owner writes it. Mail is sent to this one, never to what a request says. */
  readonly email: string;
  /** What makes two addresses the same: no two accounts have the same key. */
  readonly emailKey: string;
  /** A PHC string, with the name of the pepper before it where there is one. */
  readonly passwordHash: string;
  readonly role: string;
  readonly verifiedAt: Date | null;
  readonly disabledAt: Date | null;
  readonly createdAt: Date;
}

/** What of an account can change. */
export type AccountChanges = Partial<Omit<Account, 'id' | 'createdAt'>>;

/** Joins the transaction that `AccountStore.change` or the caller has begun. */
export type AccountTransaction = Pick<TransactionOption, 'manager'>;

/** What a token in a mail is good for. */
export type TokenPurpose = 'verify-email' | 'reset-password' | 'change-email';

/** A mail that shall be sent: what it is about, never its text, which may hold a token. */
export interface MailRequest {
  readonly kind: MailKind;
  /** The address in question; for the kinds that speak to an account's owner its own address counts. */
  readonly email: string;
  readonly accountId?: string;
  /** The hash of the password that was chosen with a registration; the link in its mail puts it in force. */
  readonly passwordHash?: string;
}

/**
 * `registration`, `verification`, `recovery`: asked for by anybody, for an address that may be unknown.
 * The others are about an account.
 */
export type MailKind =
  'registration' | 'verification' | 'recovery' | 'email-change' | 'email-changed' | 'password-changed' | 'deleted';

/** An account as its owner sees it. */
export interface AccountView {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly verified: boolean;
  readonly disabled: boolean;
  readonly createdAt: Date;
}
