import type { SessionModuleExtras } from './session-options.js';

/** Each default is written here, once; the table in docs/options.md is tested against it. */
export const DEFAULTS = {
  accessToken: { lifetime: '10m', algorithm: 'ES256', clockTolerance: '5s', encryption: 'off' },
  session: { idleLifetime: '30d', absoluteLifetime: '180d', leeway: '30s', onLimit: 'evict-oldest' },
  keys: { rotateEvery: '7d', publishAhead: '1h' },
  revocation: { mode: 'live', maxStaleness: '30s', feed: 'notify' },
  transport: 'both',
  cookies: { secure: true, accessName: 'access_token', refreshName: 'refresh_token' },
  csrf: 'origin',
  trustedOrigins: [],
  onTheft: 'revoke-session',
  binding: { ip: 'off', userAgent: 'off' },
} as const;

export const DEFAULT_EXTRAS = {
  controller: { path: 'session' },
  jwks: { path: '/.well-known/jwks.json' },
  isGlobal: true,
} as const satisfies SessionModuleExtras;
