export type CredentialsMode = NonNullable<RequestInit['credentials']>;

/** Which tokens a request was sent with, to tell later whether there are others by now. */
export type Mark = string | number | undefined;

/** What goes with a refresh. */
export interface PresentedToken {
  readonly headers: Headers;
  readonly body?: string;
  /** Unknown where it lies in a cookie. */
  readonly refreshToken?: string;
}

/** How tokens are kept and sent: in cookies, or by the application. */
export interface Transport {
  /** For requests whose caller has not said otherwise. */
  readonly credentials: CredentialsMode;
  /** Adds what authenticates a request. */
  authorize(headers: Headers, method: string): Promise<Mark>;
  /** The refresh token, unless the tokens of that mark have been replaced meanwhile. */
  present(mark: Mark): Promise<PresentedToken | undefined>;
  /** Keeps the answer to a refresh. False if other tokens have come meanwhile: a late answer must not replace them. */
  accept(answer: unknown, presented: PresentedToken): Promise<boolean>;
  /** Another tab has refreshed, for all that is known. */
  suspectChange(): void;
  /** Forgets the tokens, whichever they are. */
  clear(): Promise<void>;
  /** Forgets tokens that were refused. False if others have come meanwhile. */
  forget(mark: Mark): Promise<boolean>;
  /** Keeps the tokens of a login. */
  save(body: unknown): Promise<void>;
  /** Whether the session of another tab may have been this one's. */
  isGone(): Promise<boolean>;
  /** The access token, if the application keeps it. */
  accessToken(): Promise<string | undefined>;
}
