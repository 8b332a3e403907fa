import type { SessionModuleOptions } from 'nestjs-jwt-session';
import type { Mutation } from './mutations.js';

/** Short times, so that a minute has many rotations. */
export const LEEWAY_MS = 6_000;
export const LIFETIME_MS = 12_000;
export const MAX_STALENESS_MS = 3_000;

/** A client gives up a refresh after a third of the leeway. */
export const PATIENCE_MS = LEEWAY_MS / 3;

export const SESSION_OPTIONS = {
  accessToken: { lifetime: '12s', clockTolerance: '5s' },
  session: { leeway: '6s' },
  keys: { rotateEvery: '1m', publishAhead: '5s' },
} satisfies SessionModuleOptions;

export const CLOCK_TOLERANCE_MS = 5_000;

export type Mode = 'live' | 'strict' | 'stateless';
export type Feed = 'notify' | 'poll';
export type Platform = 'express' | 'fastify';

/** What the campaign tells a process when it starts it. */
export interface ApplicationSettings {
  readonly port: number;
  readonly platform: Platform;
  readonly databaseUrl: string;
  readonly secrets: string[];
  readonly revocation: { readonly mode: Mode; readonly feed: Feed; readonly maxStaleness: string };
  readonly maxPerUser?: number;
  /** A protection that is switched off, to see that the campaign notices. */
  readonly mutation?: Mutation;
}

/** A fault that a process is told to have. */
export type Order = { readonly block: number } | { readonly clockAhead: number };

export type Operation =
  | { readonly verb: 'log-out'; readonly sessionId: string }
  | { readonly verb: 'set-claims'; readonly sessionId: string; readonly change: number }
  | {
      readonly verb: 'log-out-all' | 'invalidate-access' | 'invalidate-refresh' | 'list';
      readonly userId: string;
    }
  | { readonly verb: 'rotate-keys' | 'distrust-keys' };
