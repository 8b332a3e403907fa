/** How a value comes about: at each event, as a distribution, or when the exporter reads it. */
export type InstrumentKind = 'counter' | 'histogram' | 'observable counter' | 'gauge';

export interface Instrument {
  readonly kind: InstrumentKind;
  /** After UCUM, with what is counted in braces. */
  readonly unit: string;
  readonly description: string;
  /** Each has few values, and none that a request brings. */
  readonly attributes: readonly string[];
}

const SESSION = '{session}';

/**
 * All that is measured. docs/operating.md has a table of them. `db.client.operation.duration`, `error.type` and the
 * attributes of statements are those of the semantic conventions of OpenTelemetry.
 */
export const INSTRUMENTS = {
  'jwt_session.log_ins': { kind: 'counter', unit: SESSION, description: 'Sessions that began', attributes: [] },
  'jwt_session.impersonations': {
    kind: 'counter',
    unit: SESSION,
    description: 'Sessions in which an actor acts as another user',
    attributes: [],
  },
  'jwt_session.refreshes': {
    kind: 'counter',
    unit: '{refresh}',
    description: 'Refreshes that were answered with tokens, by case',
    attributes: ['jwt_session.case'],
  },
  'jwt_session.refusals': {
    kind: 'counter',
    unit: '{refusal}',
    description: 'Requests that were refused, by code',
    attributes: ['error.type'],
  },
  'jwt_session.revocations': {
    kind: 'counter',
    unit: SESSION,
    description: 'Sessions that were ended, here or in another process',
    attributes: ['jwt_session.reason', 'jwt_session.source'],
  },
  'jwt_session.thefts': {
    kind: 'counter',
    unit: '{theft}',
    description: 'Refresh tokens that two parties have used',
    attributes: ['jwt_session.class'],
  },
  'jwt_session.key_bindings': {
    kind: 'counter',
    unit: SESSION,
    description: 'Sessions that were bound to a key of the client',
    attributes: ['jwt_session.kind'],
  },
  'jwt_session.key_rotations': {
    kind: 'counter',
    unit: '{key}',
    description: 'Signing keys that this process has created',
    attributes: [],
  },
  'jwt_session.operation.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Duration of calls of SessionService and AccountService',
    attributes: ['jwt_session.operation', 'error.type'],
  },
  'db.client.operation.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'Duration of statements, with the wait for a connection',
    attributes: ['db.system.name', 'db.query.summary', 'db.response.status_code', 'error.type'],
  },
  'jwt_session.access_token.checks': {
    kind: 'observable counter',
    unit: '{token}',
    description: 'Access tokens whose signature was known to be valid, or was found to be',
    attributes: ['jwt_session.cached'],
  },
  'jwt_session.access_token.cached': {
    kind: 'gauge',
    unit: '{token}',
    description: 'Access tokens whose signature need not be checked again',
    attributes: [],
  },
  'jwt_session.revocation.staleness': {
    kind: 'gauge',
    unit: 's',
    description: 'Age of what is known of revocations',
    attributes: [],
  },
  'jwt_session.revocation.listening': {
    kind: 'gauge',
    unit: '{subscription}',
    description: 'Subscriptions on which announcements of revocations arrive: one or none',
    attributes: [],
  },
  'jwt_session.revocation.kept': {
    kind: 'gauge',
    unit: '{revocation}',
    description: 'Revocations that are kept in memory',
    attributes: [],
  },
  'jwt_session.key.signing': {
    kind: 'gauge',
    unit: '{key}',
    description: 'Keys that sign: one or none',
    attributes: [],
  },
  'jwt_session.key.verifying': {
    kind: 'gauge',
    unit: '{key}',
    description: 'Keys whose tokens are accepted',
    attributes: [],
  },
  'jwt_session.store.waiting': {
    kind: 'gauge',
    unit: '{request}',
    description: 'Requests that wait for the database',
    attributes: [],
  },
  'jwt_session.store.refused': {
    kind: 'observable counter',
    unit: '{request}',
    description: 'Requests that were refused because too many waited for the database',
    attributes: [],
  },
  'jwt_account.registrations': { kind: 'counter', unit: '{account}', description: 'New accounts', attributes: [] },
  'jwt_account.log_ins': { kind: 'counter', unit: SESSION, description: 'Logins by password', attributes: [] },
  'jwt_account.refusals': {
    kind: 'counter',
    unit: '{refusal}',
    description: 'Passwords that were refused, by code',
    attributes: ['error.type'],
  },
  'jwt_account.attempts_limited': {
    kind: 'counter',
    unit: '{request}',
    description: 'Requests that were refused after too many attempts',
    attributes: ['jwt_account.operation', 'jwt_account.by'],
  },
  'jwt_account.mails': {
    kind: 'counter',
    unit: '{mail}',
    description: 'Mails that were sent, were delayed or have failed',
    attributes: ['jwt_account.mail', 'jwt_account.outcome'],
  },
} as const satisfies Record<string, Instrument>;

export type InstrumentName = keyof typeof INSTRUMENTS;

/** The names of the instruments of a kind. */
export type InstrumentOf<Kind extends InstrumentKind> = {
  [Name in InstrumentName]: (typeof INSTRUMENTS)[Name]['kind'] extends Kind ? Name : never;
}[InstrumentName];
