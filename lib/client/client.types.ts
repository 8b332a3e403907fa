/**
 * `fetch` as the application's own types declare it: those of browsers or of Node. Named by structure, so that these
 * declarations compile with either, and with neither.
 */
export type PlatformFetch = typeof globalThis extends { fetch: infer Fetch }
  ? Fetch
  : (input: string, init?: object) => Promise<unknown>;

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** The tokens of a bearer client. */
export interface SessionTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/**
 * Where a bearer client keeps its tokens: a keychain, a file, memory. Clients that share a session share the storage.
 */
export interface SessionTokenStorage {
  /** The tokens saved last, or nothing. Asked for every request, so that it should be quick. */
  load(): Awaitable<SessionTokens | null | undefined>;
  /**
   * Replaces both tokens at once. It must resolve only when they are stored permanently: the new access token is used
   * afterwards, and its use tells the server that the new refresh token has arrived.
   */
  save(tokens: SessionTokens): Awaitable<void>;
  /** Forgets the tokens. */
  clear(): Awaitable<void>;
}

/** Why a session has ended: a code of the server, or `logged_out` where a page of this client ended it itself. */
export type SessionEndReason =
  | 'session_missing'
  | 'session_expired'
  | 'session_revoked'
  | 'refresh_token_invalid'
  | 'refresh_token_unknown'
  | 'token_theft_detected'
  | 'session_key_required'
  | 'logged_out';

/** The end of a session, as pages receive it. */
export interface SessionEnd {
  readonly reason: SessionEndReason;
  /** With `token_theft_detected`: `recent`, `fork`, `stale` or `binding`. */
  readonly class?: string;
}

/** The part of `navigator.locks` that is used. */
export interface SessionLocks {
  request<T>(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: object },
    run: (lock: object | null) => T,
  ): Promise<Awaited<T>>;
}

/** A channel to the other tabs. */
export interface SessionChannel {
  send(end: SessionEnd): void;
  close(): void;
}

/** The features of a page or worker. Tests and other platforms provide their own. */
export interface SessionEnvironment {
  /** Where the page is: `baseUrl` may be relative to it. */
  readonly location?: { readonly href: string };
  /** Where the CSRF cookie is read. */
  readonly document?: { readonly cookie: string };
  /** Makes tabs refresh one at a time; without it each one refreshes for itself, which does no harm. */
  readonly locks?: SessionLocks;
  /** Opens a channel to the other tabs, a `BroadcastChannel` in pages; without it only this page learns of the end. */
  readonly openChannel?: (name: string, receive: (end: SessionEnd) => Promise<void>) => SessionChannel | undefined;
  /** Runs something later, `setTimeout` by default. Returns a function that cancels it. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
}

/** Called with the end of a session, and with `undefined` when another one begins. */
export type SessionListener = (end: SessionEnd | undefined) => void;

/** The options of `createSessionFetch`. */
export interface SessionFetchOptions {
  /**
   * The root of the application, such as `https://api.example.com/v1`, or in a page `/`. Relative addresses are
   * resolved against it, as if it ended with a slash. Credentials are sent to its origin only.
   */
  readonly baseUrl: string;
  /** Where the session controller is mounted below `baseUrl`; `session` by default. */
  readonly sessionPath?: string;
  /** Keeps bearer tokens. Without it the session lives in cookies, as is right for pages. */
  readonly storage?: SessionTokenStorage;
  /**
   * Makes a proof of the client's key (DPoP, RFC 9449) for a request, with the hash of the access token where one is given.
   * The session is then bound to that key at its login. For clients with a `storage`.
   */
  readonly proof?: (
    request: { readonly method: string; readonly url: string },
    accessToken?: string,
  ) => Awaitable<string>;
  /**
   * Called once when the session has ended, in every tab: show the login form. A 401 alone does not mean that, and
   * neither a missing network nor a 503 ends a session. Pages that never had a session get `session_missing`.
   */
  readonly onSessionEnd?: (end: SessionEnd) => void;
  /** The `fetch` to send with, such as one with a cookie jar; the platform's by default. */
  readonly fetch?: PlatformFetch;
  /**
   * Replaces parts of the platform. Outside pages and workers nothing is shared by default: one process may serve many
   * users.
   */
  readonly environment?: Partial<SessionEnvironment>;
}

/** What a session's `fetch` can do beside fetching. */
export interface SessionMethods {
  /**
   * Saves the tokens of a login's answer (its parsed body), for clients with a `storage`.
   *
   * @throws TypeError for an answer without tokens, or without a `storage`
   */
  saveTokens(body: unknown): Promise<void>;
  /**
   * Ends the session at the server, forgets its tokens and tells all tabs.
   *
   * @throws Error when the server cannot be reached or refuses: the session has not ended then
   */
  logOut(): Promise<void>;
  /**
   * Refreshes now, with all requests and tabs that do: before a socket is opened, or after it was refused.
   *
   * @returns whether the session lives on; false also while the server cannot refresh
   * @throws what `fetch` throws without a network
   */
  refresh(): Promise<boolean>;
  /**
   * The access token for a socket; undefined without a session, and without a `storage`: cookies send it themselves.
   */
  accessToken(): Promise<string | undefined>;
  /**
   * Calls a listener when the session ends, and when another one begins.
   *
   * @returns stops that
   */
  subscribe(listener: SessionListener): () => void;
  /** How the session has ended; undefined while there may be one. With `subscribe` it is the state for a UI. */
  ended(): SessionEnd | undefined;
  /** Stops listening to the other tabs. */
  close(): void;
}

/** A function with the type of `fetch`, and what else the session needs. */
export type SessionFetch = PlatformFetch & SessionMethods;
