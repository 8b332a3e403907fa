import { readdirSync, readFileSync } from 'node:fs';
import { SharedClock, type TestDatabase } from '../support/database.js';

/** A session as a client of that version knew it; its refresh tokens in the order in which they were issued. */
export interface RecordedSession {
  readonly id: string;
  readonly refreshTokens: readonly string[];
  /** The one that came with the last refresh token. */
  readonly accessToken: string;
}

interface Recorded {
  readonly recordedAt: string;
  readonly secret: string;
  readonly sessions: Record<string, RecordedSession>;
  readonly accounts: {
    readonly id: string;
    readonly refreshToken: string;
    readonly password: string;
    /** Tokens of mails whose links were not yet followed. */
    readonly emailChange: string;
    readonly recovery: string;
    readonly verification: string;
  };
}

const FIXTURES = new URL('fixtures/', import.meta.url);

/** What a released version left in its database: `fixtures/record.mjs` has made it by that version's own code. */
export class Recording {
  readonly secret: string;
  readonly accounts: Recorded['accounts'];
  private readonly recorded: Recorded;
  private readonly sql: string;

  constructor(readonly version: string) {
    this.recorded = JSON.parse(readFileSync(new URL(`${version}.json`, FIXTURES), 'utf8')) as Recorded;
    this.sql = readFileSync(new URL(`${version}.sql`, FIXTURES), 'utf8');
    this.secret = this.recorded.secret;
    this.accounts = this.recorded.accounts;
  }

  session(name: string): RecordedSession {
    return this.recorded.sessions[name]!;
  }

  /** Writes it into an empty database. */
  async load(database: TestDatabase): Promise<void> {
    await database.query(this.sql);
  }

  /** The clock of that moment, for windows, tokens and keys to be as they were left. */
  async clock(database: TestDatabase): Promise<SharedClock> {
    const clock = await SharedClock.install(database);
    const difference = Date.parse(this.recorded.recordedAt) - Date.now();
    await clock.advance(difference < 0 ? `-${-difference}ms` : `${difference}ms`);
    return clock;
  }
}

/** Of every version that brought a migration, the first released one first. */
export const RECORDINGS = readdirSync(FIXTURES)
  .filter(file => file.endsWith('.sql'))
  .map(file => file.slice(0, -'.sql'.length))
  .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  .map(version => new Recording(version));
