import type { SessionModuleOptions } from 'nestjs-jwt-session';

const environment = process.env;

export const port = Number(environment.PORT ?? 3000);
export const platform = environment.HTTP_PLATFORM ?? 'express';
/**
 * `KEY_BINDING=prefer` or `require` binds sessions to keys of their browsers, which browsers do over https alone: the
 * sample makes a certificate at its start then.
 */
const keyBinding = environment.KEY_BINDING ?? 'off';
export const usesTls = keyBinding !== 'off';
/** Whether the live view may offer its demonstrations. */
export const isDevelopment = environment.NODE_ENV !== 'production';

/** With it another service may read what was revoked; in development the verifier sample has the same one. */
export const serviceToken = environment.SERVICE_TOKEN ?? (isDevelopment ? 'for-the-samples-only' : undefined);
/** Other modes keep nothing in memory that could be read. */
export const servesRevocations = serviceToken !== undefined && (environment.REVOCATION_MODE ?? 'live') === 'live';

/** `npm start` sets it to that of an embedded PostgreSQL if it is not set. */
export function databaseUrl(): string {
  const url = environment.DATABASE_URL;
  if (!url) throw new Error('DATABASE_URL is not set: run "npm start", or name a PostgreSQL of yours');
  return url;
}

/** One variable per duration and mode, so that the sample can be tried at any speed. Unset ones keep their defaults. */
export function sessionOptions(): SessionModuleOptions {
  return {
    ...(environment.SESSION_SECRET === undefined ? {} : { secret: environment.SESSION_SECRET }),
    accessToken: {
      lifetime: environment.ACCESS_TOKEN_LIFETIME,
      algorithm: environment.ACCESS_TOKEN_ALGORITHM as never,
      issuer: environment.ACCESS_TOKEN_ISSUER,
      audience: environment.ACCESS_TOKEN_AUDIENCE,
    },
    session: {
      idleLifetime: environment.SESSION_IDLE_LIFETIME,
      absoluteLifetime: environment.SESSION_ABSOLUTE_LIFETIME,
      leeway: environment.SESSION_LEEWAY,
      maxPerUser: environment.SESSION_MAX_PER_USER === undefined ? undefined : Number(environment.SESSION_MAX_PER_USER),
    },
    keys: { rotateEvery: environment.KEYS_ROTATE_EVERY, publishAhead: environment.KEYS_PUBLISH_AHEAD },
    revocation: {
      mode: environment.REVOCATION_MODE as never,
      maxStaleness: environment.REVOCATION_MAX_STALENESS,
      feed: environment.REVOCATION_FEED as never,
    },
    binding: {
      ip: environment.BINDING_IP as never,
      userAgent: environment.BINDING_USER_AGENT as never,
      key: keyBinding as never,
    },
    transport: environment.TRANSPORT as never,
    csrf: environment.CSRF as never,
    trustedOrigins: environment.TRUSTED_ORIGINS?.split(',').map(origin => origin.trim()),
    // On plain http browsers would not keep Secure cookies.
    cookies: { secure: usesTls || environment.COOKIES_SECURE === 'true' },
  };
}
