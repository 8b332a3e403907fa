/** How the client proves that it holds the key of a session: a browser by DBSC, any other client by DPoP (RFC 9449). */
export type KeyKind = 'dbsc' | 'dpop';

/** The key that a session is bound to. */
export interface SessionKey {
  readonly kind: KeyKind;
  /** SHA-256 (RFC 7638), 32 bytes. */
  readonly thumbprint: Buffer;
  /** Registered, and not yet in use. */
  readonly isNew?: boolean;
}

/** What an access token says of its session's key; at most one of both. */
export interface KeyClaims {
  /** DPoP (RFC 9449, section 6.1): every service asks for a proof. */
  readonly cnf?: { readonly jkt: string };
  /** DBSC: the browser proves the key when it refreshes. `cnf` would make other services ask for a proof. */
  readonly bound?: string;
  /** The first use of the token shows that the registration's answer has arrived. */
  readonly bound_new?: true;
}

const BOUND_BYTES = 6;

export function keyClaimsOf({ kind, thumbprint, isNew }: SessionKey): KeyClaims {
  if (kind === 'dpop') return { cnf: { jkt: thumbprint.toString('base64url') } };
  const bound = thumbprint.toString('base64url', 0, BOUND_BYTES);
  return isNew ? { bound, bound_new: true } : { bound };
}

export function keyKindOf({ cnf, bound }: KeyClaims): KeyKind | undefined {
  if (cnf) return 'dpop';
  return bound === undefined ? undefined : 'dbsc';
}
