export type CredentialsMode = NonNullable<RequestInit['credentials']>;

/** Identifies the tokens that a request was sent with, to detect later that others have replaced them. */
export type Mark = string | number | undefined;

/** The request that a refresh sends. */
export interface RefreshRequest {
  readonly headers: Headers;
  readonly body?: string;
  /** Undefined if a cookie carries it. */
  readonly refreshToken?: string;
}

/** How tokens are kept and sent: in cookies, or by the application. */
export interface Transport {
  /** The mode of requests whose caller gives none. */
  readonly credentials: CredentialsMode;
  /** Adds what authenticates a request. */
  authorize(headers: Headers, method: string): Promise<Mark>;
  /** The refresh token, unless the tokens of that mark have been replaced meanwhile. */
  refreshRequest(mark: Mark): Promise<RefreshRequest | undefined>;
  /**
   * Keeps the answer to a refresh. False if other tokens have arrived in the meantime: a late answer must not replace
   * them.
   */
  accept(answer: unknown, request: RefreshRequest): Promise<boolean>;
  /** Another tab may have refreshed. */
  suspectChange(): void;
  /** Removes the tokens, even if others have replaced them. */
  clear(): Promise<void>;
  /** Removes tokens that were refused. False if others have replaced them. */
  forget(mark: Mark): Promise<boolean>;
  /** Keeps the tokens of a login. */
  save(body: unknown): Promise<void>;
  /** Whether the session that ended in another tab may have been this one. */
  isGone(): Promise<boolean>;
  /** The access token, if the application keeps it. */
  accessToken(): Promise<string | undefined>;
}
