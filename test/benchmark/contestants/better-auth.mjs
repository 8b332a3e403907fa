import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { createPool } from '../support/postgres.mjs';

export const BETTER_AUTH = 'better-auth';

/** `better-auth` with `pg` and its cookie cache, as its documentation recommends for speed. */
export async function startBetterAuth(url, session = { cookieCache: { enabled: true, maxAge: 300 } }) {
  const pool = createPool(url);
  const options = {
    database: pool,
    // Hashing passwords is not what is measured.
    emailAndPassword: { enabled: true, password: { hash: async () => 'none', verify: async () => true } },
    secret: 'a secret for measurements only, and long enough',
    baseURL: 'http://127.0.0.1',
    session,
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: 'error' },
  };
  const { runMigrations } = await getMigrations(options);
  await runMigrations();
  const auth = betterAuth(options);
  return { auth, internals: (await auth.$context).internalAdapter, pool };
}

/** Signs users up, and answers with the cookies of each one's session. */
export async function cookiesOf(auth, count) {
  const cookies = [];
  for (let user = 0; user < count; user++) {
    const answer = await auth.api.signUpEmail({
      body: { name: 'ada', email: `user${user}@example.com`, password: 'correct horse battery staple' },
      asResponse: true,
    });
    if (!answer.ok) throw new Error(`better-auth did not sign up: ${await answer.text()}`);
    cookies.push(
      answer.headers
        .getSetCookie()
        .map(cookie => cookie.split(';', 1)[0])
        .join('; '),
    );
  }
  return cookies;
}

/** What a route asks in better-auth's documentation. */
export async function sessionByCookie(auth, cookie) {
  const session = await auth.api.getSession({ headers: new Headers({ cookie }) });
  if (!session) throw new Error('better-auth refused its own cookie');
  return session;
}
