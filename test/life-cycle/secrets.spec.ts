import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  SECRET_BYTES,
  deriveSuccessor,
  newSalt,
  openRefreshToken,
  type RefreshToken,
  SALT_BYTES,
} from '../../lib/rules/refresh-token.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { randomBytes } from '../../lib/common/random.js';
import { ACCESS_COOKIE, CookieClient, REFRESH_COOKIE, send } from '../support/client.js';
import type { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET, startTestApp, type TestApp } from '../support/test-app.js';

interface Dump {
  /** Every string, those within JSON too. */
  readonly texts: Set<string>;
  readonly bytes: Buffer[];
  readonly sessions: { id: string; generation: number }[];
}

/** Every string and bytea of every row of every table. */
async function dump(database: TestDatabase): Promise<Dump> {
  const texts = new Set<string>();
  const bytes: Buffer[] = [];
  const collect = (value: unknown): void => {
    if (Buffer.isBuffer(value)) bytes.push(value);
    else if (typeof value === 'string') texts.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  const tables = await database.query<{ name: string }>(
    "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'",
  );
  for (const { name } of tables) collect(await database.query(`SELECT * FROM ${name}`));
  const sessions = await database.query<{ id: string; generation: number }>('SELECT id, generation FROM jwt_session');
  return { texts, bytes, sessions };
}

/** What a thief who knows our formats can make of a dump. */
function candidates({ texts, bytes, sessions }: Dump): Set<string> {
  const found = new Set(texts);
  const values = new Map(bytes.map(value => [value.toString('hex'), value])).values();
  const parts = [...values].concat([...texts].map(text => Buffer.from(text)));
  for (const value of parts) {
    for (const encoding of ['latin1', 'hex', 'base64', 'base64url'] as const) found.add(value.toString(encoding));
  }
  const secrets = parts.filter(({ length }) => length === 32);
  const keys = [Buffer.alloc(0), ...parts.filter(({ length }) => length >= 16)];
  for (const { id, generation } of sessions) {
    for (const secret of secrets) {
      for (const guess of [generation, generation + 1]) {
        for (const key of keys.slice(0, 12)) found.add(inShape(id, guess, secret, key));
      }
    }
  }
  return found;
}

/** A refresh token's shape: version, session id, generation, secret, and a tag under a key that is in the dump. */
function inShape(sessionId: string, generation: number, secret: Buffer, key: Buffer): string {
  const head = Buffer.concat([
    Buffer.of(1),
    Buffer.from(sessionId.replaceAll('-', ''), 'hex'),
    Buffer.alloc(4),
    secret,
  ]);
  head.writeUInt32BE(generation, 17);
  const tag = createHmac('sha256', key).update(head).digest().subarray(0, 16);
  return Buffer.concat([head, tag]).toString('base64url');
}

/** Tries a candidate in every place where a token is read. Returns the statuses that are not 401. */
async function tryEverywhere(url: string, candidate: string): Promise<number[]> {
  // A header can carry it only if it is printable; a body carries anything.
  const inHeader = /^[\x21-\x7e]+$/.test(candidate) && candidate.length < 6_000;
  const answers = await Promise.all([
    send(`${url}/session/refresh`, { method: 'POST', body: { refreshToken: candidate } }),
    ...(inHeader
      ? [
          send(`${url}/me`, { headers: { authorization: `Bearer ${candidate}` } }),
          send(`${url}/me`, { headers: { cookie: `${ACCESS_COOKIE}=${candidate}` } }),
          send(`${url}/session/refresh`, { method: 'POST', headers: { cookie: `${REFRESH_COOKIE}=${candidate}` } }),
        ]
      : []),
  ]);
  return answers.map(({ status }) => status).filter(status => status !== 401);
}

async function tryAll(url: string, all: Iterable<string>): Promise<string[]> {
  const usable: string[] = [];
  const list = [...all];
  for (let start = 0; start < list.length; start += 15) {
    const batch = list.slice(start, start + 15);
    const results = await Promise.all(batch.map(candidate => tryEverywhere(url, candidate)));
    results.forEach((statuses, index) => statuses.length > 0 && usable.push(batch[index]!));
  }
  return usable;
}

describe.each(PLATFORMS)('a database dump on %s', platform => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp({ platform });
  });
  afterAll(() => test?.close());

  it('R07: holds no usable token, in any encoding or shape', async () => {
    // A session in every column: a successor that is still to arrive, a parent, claims, data.
    const client = new CookieClient(test.url);
    await client.logIn('ada', { role: 'admin' });
    const tokens = [client.refreshToken];
    await client.refresh();
    tokens.push(client.refreshToken);
    await client.refresh();
    await test.advance('31s');
    await client.sendOnly('/session/refresh', { method: 'POST' });
    const { sessionId } = (await client.send('/me')).body;
    await test.sessions.setData(sessionId!, { note: 'kept' });
    await test.confirmUses();

    const contents = await dump(test.database);
    expect(contents.bytes.length).toBeGreaterThanOrEqual(6);
    expect(contents.texts).toContain(sessionId);
    const before = await test.database.query('SELECT * FROM jwt_session');
    for (const token of tokens) {
      const secret = Buffer.from(token, 'base64url').subarray(21, 53);
      expect(contents.bytes.filter(value => value.includes(secret))).toEqual([]);
      for (const part of [token, secret.toString('hex'), secret.toString('base64'), secret.toString('base64url')]) {
        expect([...contents.texts].filter(text => text.includes(part))).toEqual([]);
      }
    }
    expect(await tryAll(test.url, candidates(contents))).toEqual([]);
    // Nor does trying revoke anything.
    expect(await test.database.query('SELECT * FROM jwt_session')).toEqual(before);
    expect(await client.refresh()).toMatchObject({ status: 200 });
  });

  it('R07: the search finds a token where there is one', async () => {
    const { session, accessToken, refreshToken } = await test.sessions.logIn('grace');
    const planted = [accessToken!, refreshToken!];
    await test.sessions.setData(session.id, { planted });
    const { texts } = await dump(test.database);
    expect((await tryAll(test.url, texts)).sort()).toEqual(planted.sort());
  });
});

const LOGINS = 200;
const GENERATIONS = 50;

describe('refresh-token secrets', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test?.close());

  it('S01: 10,000 refresh tokens have as many secrets, of 16 bytes and more, from a CSPRNG', async () => {
    // Whatever draws on the ordinary generator would repeat itself now.
    const notRandom = jest.spyOn(Math, 'random').mockReturnValue(0.5);
    try {
      const keys = deriveServerKeys(SECRET);
      const secrets = new Set<string>();
      for (let login = 0; login < LOGINS; login++) {
        // The first of each chain through the service, the others as a refresh derives them.
        const { refreshToken } = await test.sessions.logIn('ada', { claims: { role: 'admin' } });
        let token: RefreshToken = openRefreshToken(refreshToken!, [keys])!;
        for (let generation = 0; generation < GENERATIONS; generation++) {
          expect(token.secret.length).toBeGreaterThanOrEqual(16);
          secrets.add(token.secret.toString('hex'));
          token = deriveSuccessor(token, newSalt(keys, randomBytes(SALT_BYTES)), [keys])!;
        }
      }
      expect(secrets.size).toBe(LOGINS * GENERATIONS);
      // Random bytes are not biased: each byte value is about as frequent as any other.
      const counts = Array.from({ length: 256 }, () => 0);
      for (const secret of secrets) for (const byte of Buffer.from(secret, 'hex')) counts[byte]!++;
      const expected = (LOGINS * GENERATIONS * SECRET_BYTES) / 256;
      for (const count of counts) expect(Math.abs(count - expected) / expected).toBeLessThan(0.25);
    } finally {
      notRandom.mockRestore();
    }
  });

  it('S01: a token is opaque: it tells nothing of user and claims, and a successor not its parent', async () => {
    const { refreshToken } = await test.sessions.logIn('grace', { claims: { role: 'admin' } });
    const bytes = Buffer.from(refreshToken!, 'base64url').toString('latin1');
    expect(bytes).not.toMatch(/grace|admin/);
    const parent = openRefreshToken(refreshToken!, [deriveServerKeys(SECRET)])!;
    // With the parent and the row, but without the server secret, there is no successor.
    const salt = newSalt(deriveServerKeys(SECRET), Buffer.alloc(SALT_BYTES, 1));
    const mine = deriveSuccessor(parent, salt, [deriveServerKeys(SECRET)])!;
    const other = deriveServerKeys('another-secret-that-is-long-enough');
    expect(deriveSuccessor(parent, salt, [other])).toBeUndefined();
    expect(deriveSuccessor(parent, newSalt(other, Buffer.alloc(SALT_BYTES, 1)), [other])!.secret).not.toEqual(
      mine.secret,
    );
  });
});
