import type { AccountModuleExtras } from './account-options.js';

/** Each default is written here, once. */
export const ACCOUNT_DEFAULTS = {
  pages: {
    verifyEmail: '/verify-email',
    resetPassword: '/reset-password',
    confirmEmail: '/confirm-email',
    logIn: '/login',
    forgotPassword: '/forgot-password',
  },
  password: {
    // NIST SP 800-63B-4, section 3.1.1.2: fifteen where the password is all that is asked for, at least eight otherwise.
    minLength: 15,
    maxLength: 256,
    // OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
    memoryCost: 19_456,
    timeCost: 2,
    parallelism: 1,
    onChange: 'end-others',
  },
  tokens: { verification: '24h', recovery: '1h', emailChange: '24h' },
  attempts: {
    logIn: { perAccount: 10, perAddress: 100, within: '15m' },
    mail: { perAccount: 5, perAddress: 50, within: '1h' },
  },
  mail: { maxAttempts: 10 },
  recentLogin: '15m',
  requireVerified: true,
  role: 'user',
} as const;

export const ACCOUNT_DEFAULT_EXTRAS = { controller: { path: 'account' } } as const satisfies AccountModuleExtras;
