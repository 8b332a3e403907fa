export { createSessionFetch } from './session-fetch.js';
export type {
  Awaitable,
  PlatformFetch,
  SessionChannel,
  SessionEnd,
  SessionEndReason,
  SessionEnvironment,
  SessionFetch,
  SessionFetchOptions,
  SessionListener,
  SessionLocks,
  SessionMethods,
  SessionTokens,
  SessionTokenStorage,
} from './client.types.js';
