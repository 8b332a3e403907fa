import type { Account, AccountView } from './account.types.js';

/** The account as its owner sees it. Members are listed one by one, so that a new one is never shown by accident. */
export function toView({ id, email, role, verifiedAt, disabledAt, createdAt }: Account): AccountView {
  return { id, email, role, verified: verifiedAt !== null, disabled: disabledAt !== null, createdAt };
}
