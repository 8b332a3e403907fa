import type { TransactionOption } from '../index.js';

/** An account as the store keeps it. */
export interface Account {
  /** A UUID version 7; the user id of the account's sessions. */
  readonly id: string;
  /** As its owner writes it. Mails are sent to this address, never to one from a request. */
  readonly email: string;
  /** What makes two addresses the same: no two accounts have the same key. */
  readonly emailKey: string;
  /** A PHC string, with the name of the pepper before it where there is one. */
  readonly passwordHash: string;
  readonly role: string;
  readonly verifiedAt: Date | null;
  readonly disabledAt: Date | null;
  /** After the first login no registration changes the password. */
  readonly firstLogInAt: Date | null;
  readonly createdAt: Date;
}

/** The members of an account that can change. */
export type AccountChanges = Partial<Omit<Account, 'id' | 'createdAt'>>;

/** Joins the transaction that `AccountStore.change` or the caller has begun. */
export type AccountTransaction = Pick<TransactionOption, 'manager'>;

/** What the link of a mail does. */
export type LinkPurpose = 'verify-email' | 'reset-password' | 'change-email' | 'undo-email-change' | 'end-session';

/** A queued mail: its subject, never its text, which may contain a token. */
export interface MailRequest {
  readonly kind: MailKind;
  /** The address in question; mails to an account's owner go to the account's own address. */
  readonly email: string;
  readonly accountId?: string;
  /** The session that asked for it, or that it is about. */
  readonly sessionId?: string;
  /** The language that the client prefers (RFC 5646). */
  readonly language?: string;
}

/**
 * `registration`, `verification`, `recovery`: anybody can ask for them, for an address that may be unknown. The others are
 * about an account. `email-changed` has a link that undoes the change; `email-changed-again` has none, because the
 * owner of an earlier address still has one. `new-sign-in` has a link that ends the session.
 */
export type MailKind =
  | 'registration'
  | 'verification'
  | 'recovery'
  | 'email-change'
  | 'email-changed'
  | 'email-changed-again'
  | 'password-changed'
  | 'new-sign-in'
  | 'deleted';

/** An account as its owner sees it. */
export interface AccountView {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly verified: boolean;
  readonly disabled: boolean;
  readonly createdAt: Date;
}
