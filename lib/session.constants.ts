/** Where the session lies on a request; never `request.session`, so that it lives beside express-session. */
export const SESSION_ON_REQUEST = Symbol.for('nestjs-jwt-session');

/** The data source that the module was given (`dataSource` option). */
export const SESSION_DATA_SOURCE = Symbol('SESSION_DATA_SOURCE');

/** The static options: those that must be known when the module is declared. */
export const SESSION_MODULE_EXTRAS = Symbol('SESSION_MODULE_EXTRAS');

/** Metadata keys of `@Public()` and `@OptionalSession()`. */
export const PUBLIC_ROUTE = 'nestjs-jwt-session:public';
export const OPTIONAL_SESSION = 'nestjs-jwt-session:optional';

/** The request header with which a client that is no browser asks for its tokens in the body. */
export const TRANSPORT_HEADER = 'session-transport';

/** The request header that carries the CSRF token, and the cookie a page reads it from (without prefix). */
export const CSRF_HEADER = 'x-csrf-token';
export const CSRF_COOKIE = 'csrf_token';

/** The cookie that says which session's refresh cookie counts (without prefix). */
export const MARKER_COOKIE = 'session_marker';

/** The cookie that browsers bind to the key of a session (DBSC; without prefix). */
export const BOUND_COOKIE = 'session_bound';

/** The cookie of a browser whose users are recognised at login (without prefix), and the same of a bearer client. */
export const DEVICE_COOKIE = 'session_device';
export const DEVICE_HEADER = 'session-device';

/** Metadata key of `@RequireRecentLogin()`: milliseconds. */
export const RECENT_LOGIN = 'nestjs-jwt-session:recent-login';

/** Metadata key of `@RequireKeyBoundSession()`. */
export const KEY_BOUND_SESSION = 'nestjs-jwt-session:key-bound-session';

/** Metadata key of `@NotWhileImpersonating()`. */
export const NOT_WHILE_IMPERSONATING = 'nestjs-jwt-session:not-while-impersonating';

/** Marks the session controller and its subclasses, to find where they are mounted. */
export const SESSION_CONTROLLER = 'nestjs-jwt-session:controller';
