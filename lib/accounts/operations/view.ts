import type { Account, AccountView } from '../account.types.js';

/** What of an account its owner sees: member by member, so that nothing new shows by itself. */
export function viewOf({ id, email, role, verifiedAt, disabledAt, createdAt }: Account): AccountView {
  return { id, email, role, verified: verifiedAt !== null, disabled: disabledAt !== null, createdAt };
}
