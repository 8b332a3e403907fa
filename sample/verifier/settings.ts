import type { SessionVerifierOptions } from 'nestjs-jwt-session/verifier';

const environment = process.env;

export const port = Number(environment.PORT ?? 3001);
export const platform = environment.HTTP_PLATFORM ?? 'express';

/** The application that logs users in. Default: the first sample. */
export function verifierOptions(): SessionVerifierOptions {
  const jwksUri = environment.JWKS_URI ?? 'http://localhost:3000/.well-known/jwks.json';
  return {
    jwksUri,
    revocations: {
      url: environment.REVOCATIONS_URL ?? new URL('/session/revocations', jwksUri).href,
      token: environment.SERVICE_TOKEN ?? 'for-the-samples-only',
      maxStaleness: environment.REVOCATION_MAX_STALENESS,
    },
    issuer: environment.ACCESS_TOKEN_ISSUER,
    audience: environment.ACCESS_TOKEN_AUDIENCE,
    trustedOrigins: environment.TRUSTED_ORIGINS?.split(',').map(origin => origin.trim()),
    // On plain http browsers would not keep Secure cookies, and the cookie's name depends on it.
    cookies: { secure: environment.COOKIES_SECURE === 'true' },
  };
}
