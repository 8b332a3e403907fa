import { hashOf, openRefreshToken } from '../../lib/rules/refresh-token.js';
import type { GivenToken, RotationState } from '../../lib/rules/rotation.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import {
  RefreshTokenUnknownError,
  SessionError,
  SessionStoreUnavailableError,
  TokenTheftDetectedError,
} from '../../lib/session.errors.js';
import { RotationStore } from '../../lib/store/rotation.store.js';
import { AccessTokenSigner } from '../../lib/tokens/access-token-signer.js';
import { describePair, type NamedRow, SessionInSpace, STATES, type StoredRow, TOKENS } from './rotation-space.js';
import { insertSessions, type SessionSeed } from './session-rows.js';
import { SECRET, type TestApp } from './test-app.js';

const ACCEPTED = [deriveServerKeys(SECRET)];
const MAX_BATCH = 100;
const MAX_AT_ONCE = 50;

/** A state of the space with a token of it, and a session of its own to try them on. */
export interface Pair {
  readonly state: RotationState;
  readonly token: GivenToken;
  readonly session: SessionInSpace;
}

/** The outcome for a row, in the words of the rules. */
export interface RowOutcome {
  readonly row: NamedRow;
  readonly window: 'started' | 'untouched' | 'other';
  readonly revoked: string | null;
}

/** And the answer to the client: the case that the event names, or the error's code. */
export interface RefreshOutcome extends RowOutcome {
  readonly name: string;
  readonly refreshToken?: { readonly generation: number; readonly hash: string | null };
  readonly accessToken?: { readonly generation: number; readonly branch: string };
}

interface Row extends StoredRow {
  readonly id: string;
  readonly leeway: string;
  readonly leeway_after_seen: number;
  readonly revoked_reason: string | null;
  readonly last_seen_at: Date;
}

function issuedAtOf({ issue }: GivenToken, { last_seen_at }: Row): number {
  return last_seen_at.getTime() + (issue === 'later' ? 1_000 : 0);
}

/** Takes every pair of the space through a real application. Outcomes are listed by what describes their pair. */
export class RotationHarness {
  constructor(
    private readonly test: TestApp,
    private readonly leeway: number,
  ) {}

  async everyPair(differences: Partial<SessionSeed> = {}): Promise<Pair[]> {
    const pairs = STATES.flatMap(state =>
      TOKENS.map(token => ({ state, token, session: new SessionInSpace(state, differences) })),
    );
    await insertSessions(
      this.test.database,
      pairs.map(({ session }) => session.seed),
    );
    return pairs;
  }

  /** Refreshes with every refresh token. A successor that is minted in proper form is called `candidate`. */
  async refreshAll(pairs: readonly Pair[], candidate: string): Promise<Record<string, RefreshOutcome>> {
    const before = await this.rows();
    this.test.events.length = 0;
    const accessTokens = await Promise.all(pairs.map(pair => this.issuedWith(pair, before.get(pair.session.seed.id)!)));
    const answers: unknown[] = [];
    // All at once would take longer on a slow machine than a request may.
    for (let start = 0; start < pairs.length; start += MAX_AT_ONCE) {
      const sent = pairs.slice(start, start + MAX_AT_ONCE).map(({ session, token }, index) => {
        const accessToken = accessTokens[start + index];
        const request = { refreshToken: session.refreshToken(token), accessToken };
        return this.test.sessions.refresh(request).catch((error: unknown) => error);
      });
      answers.push(...(await Promise.all(sent)));
    }
    const after = await this.rows();
    const cases = new Map(
      this.test.events.flatMap(event => ('case' in event ? [[event.sessionId, event.case] as const] : [])),
    );
    return byPair(pairs, ({ session, token }, index) => {
      const row = after.get(session.seed.id)!;
      session.learnCandidate(candidate, token, row);
      const outcome = this.rowOutcome(session, before.get(row.id)!, row);
      const answer = answers[index] as Error | { refreshToken?: string; accessToken: string };
      if (answer instanceof Error) return { ...outcome, name: nameOf(answer) };
      const { generation, secret } = openRefreshToken(
        // Undefined if the client has it already.
        answer.refreshToken ?? session.refreshToken(token),
        ACCEPTED,
      )!;
      const refreshToken = { generation, hash: session.nameOf(hashOf(secret)) };
      return { ...outcome, name: cases.get(row.id)!, refreshToken, accessToken: claimsOf(answer.accessToken) };
    });
  }

  /** Reports to the store the use of an access token with each token's generation and branch. */
  async useAll(pairs: readonly Pair[]): Promise<Record<string, RowOutcome>> {
    const before = await this.rows();
    const used = pairs.map(({ session, token }) => ({
      sessionId: session.seed.id,
      generation: token.generation,
      branch: session.branch(token.hash),
      issuedAt: issuedAtOf(token, before.get(session.seed.id)!),
    }));
    for (let start = 0; start < used.length; start += MAX_BATCH) {
      await this.test.app.get(RotationStore).confirm(used.slice(start, start + MAX_BATCH));
    }
    const after = await this.rows();
    return byPair(pairs, ({ session }) =>
      this.rowOutcome(session, before.get(session.seed.id)!, after.get(session.seed.id)!),
    );
  }

  /** The access token that was issued with a refresh token: when the row was last written, or a second later. */
  private async issuedWith({ session, token }: Pair, row: Row): Promise<string | undefined> {
    if (!token.issue) return undefined;
    const issuedAt = issuedAtOf(token, row);
    const { id, userId } = session.seed;
    const { token: accessToken } = await this.test.app.get(AccessTokenSigner).sign(
      {
        id,
        user_id: userId,
        claims: {},
        token_version: 0,
        access_version: '0',
        remember: null,
        authenticated_ms: issuedAt,
        expires_ms: issuedAt + 60_000,
        now_ms: issuedAt,
      },
      { generation: token.generation, hash: session.hash(token.hash) },
      {},
    );
    return accessToken;
  }

  async rows(): Promise<Map<string, Row>> {
    const rows = await this.test.database.query<Row>(
      `SELECT *, leeway_until::text AS leeway,
         round(extract(epoch FROM leeway_until - last_seen_at) * 1000)::float8 AS leeway_after_seen FROM jwt_session`,
    );
    return new Map(rows.map(row => [row.id, row]));
  }

  private rowOutcome(session: SessionInSpace, before: Row, row: Row): RowOutcome {
    const started = row.leeway_after_seen === this.leeway ? 'started' : 'other';
    return {
      row: session.named(row),
      window: row.leeway === before.leeway ? 'untouched' : started,
      revoked: row.revoked_reason,
    };
  }
}

/** Lists something of every pair by what describes the pair. */
export function byPair<T>(pairs: readonly Pair[], tell: (pair: Pair, index: number) => T): Record<string, T> {
  return Object.fromEntries(
    pairs.map((pair, index): [string, T] => [describePair(pair.state, pair.token), tell(pair, index)]),
  );
}

function nameOf(error: Error): string {
  if (error instanceof TokenTheftDetectedError) return error.theftClass;
  if (error instanceof RefreshTokenUnknownError) return 'unknown';
  if (error instanceof SessionStoreUnavailableError && error.message.includes('another refresh token'))
    return 'superseded';
  if (error instanceof SessionError) return error.errorCode;
  throw error;
}

function claimsOf(accessToken: string): { generation: number; branch: string } {
  const payload = Buffer.from(accessToken.split('.')[1]!, 'base64url').toString();
  const { generation, branch } = JSON.parse(payload) as { generation: number; branch: string };
  return { generation, branch };
}
