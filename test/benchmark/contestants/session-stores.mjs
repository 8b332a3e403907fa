import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import connectPgSimple from 'connect-pg-simple';
import expressSession from 'express-session';
import { SessionService } from '../../../dist/index.js';
import { uuidV7 } from '../../../build/common/uuid.js';
import { createPool, onConnection, POOL_SIZE } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { CLIENT } from './filled-sessions.mjs';
import { startLibrary } from './library.mjs';
import { startSupertokens, SUPERTOKENS } from './supertokens.mjs';

/**
 * What keeps sessions. An operation that it does not offer is left out.
 *
 * @typedef {object} SessionStore
 * @property {string} name
 * @property {(user: string) => Promise<any>} logIn answers with what the others take
 * @property {(login: any) => Promise<any>} [refresh] answers with what the next refresh takes
 * @property {(login: any) => Promise<unknown>} [logOut]
 * @property {(user: string) => Promise<unknown[]>} [list]
 * @property {(user: string) => Promise<unknown>} [logOutAll]
 * @property {Record<string, number>} [mostCallers] operations that more callers at the same time bring to a halt
 * @property {() => Promise<unknown>} stop
 */

/**
 * Without leeway, because the benchmark refreshes again within moments: each refresh then rotates, as it does when ten
 * minutes have passed since the one before.
 *
 * @returns {Promise<SessionStore>}
 */
async function libraryStore(url) {
  const app = await startLibrary(url, { session: { leeway: '0s' } });
  const sessions = app.get(SessionService);
  return {
    name: LIBRARY,
    logIn: user => sessions.logIn(user, { ...CLIENT, claims: { role: 'user' } }),
    refresh: ({ refreshToken }) => sessions.refresh({ ...CLIENT, refreshToken }),
    logOut: ({ session }) => sessions.logOut(session.id),
    list: user => sessions.list(user),
    logOutAll: user => sessions.logOutAll(user),
    stop: () => app.close(),
  };
}

/**
 * A refresh includes the first use of the new access token, because that is when SuperTokens writes the rotation. (Left
 * out, the next refresh writes it, with a second connection while it holds the first: more callers than connections
 * then wait for each other for ever.)
 *
 * @returns {Promise<SessionStore>}
 */
async function supertokensStore(url) {
  const { supertokens, pool } = await startSupertokens(url);
  return {
    name: SUPERTOKENS,
    async logIn(user) {
      const { session, refreshToken } = await supertokens.createNewSession(user, { role: 'user' });
      return { handle: session.handle, refreshToken: refreshToken.value };
    },
    async refresh({ handle, refreshToken }) {
      const { newAccessToken, newRefreshToken } = await supertokens.refreshSession(refreshToken);
      await supertokens.getSession(newAccessToken.value, null);
      return { handle, refreshToken: newRefreshToken.value };
    },
    logOut: ({ handle }) => supertokens.revokeSessionUsingSessionHandle(handle),
    list: user => supertokens.getAllSessionHandlesForUser(user),
    logOutAll: user => supertokens.revokeAllSessionsForUser(user),
    // It takes a second connection while it holds the first: as many callers as connections wait for ever.
    mostCallers: { logOutAll: POOL_SIZE - 1 },
    stop: () => pool.end(),
  };
}

/**
 * By what its routes call, without passwords, cookies and HTTP. It has no refresh token; the counterpart of a refresh
 * is reading the session and extending it, which it does at most once a day by default.
 *
 * @returns {Promise<SessionStore>}
 */
async function betterAuthStore(url, users) {
  // Loaded where it is measured: its AsyncLocalStorage slows down every promise.
  const { BETTER_AUTH, startBetterAuth } = await import('./better-auth.mjs');
  const { internals, pool } = await startBetterAuth(url);
  await onConnection(url, client =>
    client.query(
      `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
        SELECT name, name, name || '@example.com', true, now(), now() FROM unnest($1::text[]) AS name`,
      [users],
    ),
  );
  const client = { ipAddress: CLIENT.ip, userAgent: CLIENT.userAgent };
  return {
    name: BETTER_AUTH,
    logIn: user => internals.createSession(user, false, client),
    async refresh({ token }) {
      await internals.findSession(token);
      return internals.updateSession(token, { expiresAt: inDays(7), updatedAt: new Date() });
    },
    logOut: ({ token }) => internals.deleteSession(token),
    list: user => internals.listSessions(user, { onlyActiveSessions: true }),
    logOutAll: user => internals.deleteUserSessions(user),
    stop: () => pool.end(),
  };
}

/**
 * `express-session`'s store `connect-pg-simple`, without cookies and HTTP. The counterpart of a refresh is `touch`. It does
 * not know whose a session is: no list, no log-out of all.
 *
 * @returns {Promise<SessionStore>}
 */
async function expressSessionStore(url) {
  const pool = createPool(url);
  const store = new (connectPgSimple(expressSession))({ pool, createTableIfMissing: true });
  const [set, touch, destroy] = ['set', 'touch', 'destroy'].map(name => promisify(store[name].bind(store)));
  return {
    name: 'express-session, connect-pg-simple',
    async logIn(user) {
      const sid = randomBytes(24).toString('base64url');
      const session = { cookie: { originalMaxAge: 2_592_000_000, expires: inDays(30) }, user, role: 'user', ...CLIENT };
      await set(sid, session);
      return { sid, session };
    },
    async refresh({ sid, session }) {
      const extended = { ...session, cookie: { ...session.cookie, expires: inDays(30) } };
      await touch(sid, extended);
      return { sid, session: extended };
    },
    logOut: ({ sid }) => destroy(sid),
    stop: async () => {
      await store.close();
      await pool.end();
    },
  };
}

/** The limit: one prepared statement and nothing else. @returns {Promise<SessionStore>} */
async function bareStore(url) {
  const pool = createPool(url);
  await pool.query(`CREATE TABLE bare_session (id uuid PRIMARY KEY, user_id text NOT NULL, hash bytea NOT NULL,
    claims jsonb NOT NULL, created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL, revoked_at timestamptz)
    WITH (fillfactor = 80)`);
  await pool.query('CREATE INDEX ON bare_session (user_id)');
  const insert = {
    name: 'insert',
    text: `INSERT INTO bare_session VALUES ($1, $2, $3, $4, now(), now() + interval '30 days') RETURNING id`,
  };
  const update = {
    name: 'update',
    text: `UPDATE bare_session SET hash = $3, expires_at = now() + interval '30 days' WHERE id = $1 AND hash = $2
      RETURNING user_id, claims`,
  };
  const revoke = {
    name: 'revoke',
    text: 'UPDATE bare_session SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL',
  };
  return {
    name: 'limit: one bare prepared statement',
    async logIn(user) {
      const login = { id: uuidV7(Date.now()), hash: randomBytes(32) };
      await pool.query({ ...insert, values: [login.id, user, login.hash, '{"role":"user"}'] });
      return login;
    },
    async refresh({ id, hash }) {
      const next = randomBytes(32);
      const { rowCount } = await pool.query({ ...update, values: [id, hash, next] });
      if (rowCount !== 1) throw new Error('the bare UPDATE found no row');
      return { id, hash: next };
    },
    logOut: ({ id }) => pool.query({ ...revoke, values: [id] }),
    stop: () => pool.end(),
  };
}

export const STORES = {
  bare: bareStore,
  library: libraryStore,
  supertokens: supertokensStore,
  better_auth: betterAuthStore,
  express_session: expressSessionStore,
};

function inDays(days) {
  return new Date(Date.now() + days * 86_400_000);
}
