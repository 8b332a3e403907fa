import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { calculateJwkThumbprint } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { AccessTokenInvalidError, RefreshTokenInvalidError } from 'nestjs-jwt-session';
import { publicJwkOf } from '../../lib/keys/key-pair.js';
import { encryptPrivateKey } from '../../lib/keys/key-encryption.js';
import { encodeRefreshToken } from '../../lib/rules/refresh-token.js';
import { deriveServerKeys } from '../../lib/rules/server-keys.js';
import { refusalOf } from '../support/application.js';
import { es256, jws, partsOf } from '../support/forged-token.js';
import { CookieJarClient } from '../support/cookie-jar-client.js';
import { fetchJwks } from '../support/jwks.js';
import { toMidPeriod } from '../support/mid-period.js';
import { PLATFORMS, SECRET, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const OLD = 'the-old-secret-that-is-long-enough-for-everybody';
const NEW = 'the-new-secret-that-is-long-enough-for-everybody';

const logIn = ({ sessions }: TestApp) => sessions.logIn('ada', { transport: 'bearer' });

/** Version, session id, generation and secret of a refresh token; the tag is made anew under the newest secret. */
const withoutTag = (token: string) => Buffer.from(token, 'base64url').subarray(0, 53).toString('hex');

describe('the server secret', () => {
  let apps: TestApps;
  beforeEach(async () => {
    apps = await TestApps.on('express');
    await toMidPeriod(apps.clock);
  });
  afterEach(() => apps?.close());

  const start = (secret: string | string[]) =>
    apps.start({ session: { secret }, typeorm: { extra: { allowExitOnIdle: true } } });

  it("fails at start where it is wrong, also beside a signing key of the application's own", async () => {
    const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const begin = (secret: string | string[]) =>
      apps.start({ session: { secret, keys: { signingKey } }, typeorm: { extra: { allowExitOnIdle: true } } });
    const first = await begin(OLD);
    expect(await refusalOf(begin(NEW))).toMatch(/option "secret" is not the one.*secret: \[new, former\]/);
    const { refreshToken } = await first.sessions.logIn('ada');
    const second = await begin([NEW, OLD]);
    await expect(second.sessions.refresh({ refreshToken: refreshToken! })).resolves.toBeDefined();
    await expect(begin(NEW)).resolves.toBeDefined();
  });

  describe('that is a wrong one', () => {
    it('fails at start, by a message that names the option and not the secret', async () => {
      await start(OLD);
      const message = await refusalOf(start(NEW));
      expect(message).toContain('"secret"');
      expect(message).toContain('[new, former]');
      expect(message).not.toContain(OLD);
      expect(message).not.toContain(NEW);
    });

    it('makes no key of its own and hurts nobody else', async () => {
      const test = await start(OLD);
      const { accessToken } = await logIn(test);
      await refusalOf(start(NEW));
      expect(await test.database.query('SELECT 1 FROM jwt_session_key')).toHaveLength(1);
      await expect(test.sessions.verify(accessToken!)).resolves.toBeDefined();
    });

    it('fails at start also after a standstill in which every key has retired', async () => {
      await logIn(await start(OLD));
      await apps.clock.advance('15d');
      expect(await refusalOf(start(NEW))).toContain('"secret"');
    });
  });

  describe('that is rotated', () => {
    it('[new, old] logs nobody out: access tokens count, refresh tokens count, retries too', async () => {
      const old = await start(OLD);
      const { accessToken, refreshToken } = await logIn(old);
      const lost = await logIn(old);
      const answer = await old.sessions.refresh({ refreshToken: lost.refreshToken! });

      const both = await start([NEW, OLD]);
      await expect(both.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      const refreshed = await both.sessions.refresh({ refreshToken: refreshToken! });
      await expect(both.sessions.verify(refreshed.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      // The answer was lost: the retry meets a successor that was derived under the old secret.
      const again = await both.sessions.refresh({ refreshToken: lost.refreshToken! });
      expect(withoutTag(again.refreshToken!)).toBe(withoutTag(answer.refreshToken!));
      await expect(both.sessions.refresh({ refreshToken: again.refreshToken! })).resolves.toBeDefined();
    });

    it('[new] alone then refreshes what was issued under it, and nothing else', async () => {
      const old = await start(OLD);
      const moved = await logIn(old);
      const forgotten = await logIn(old);
      const both = await start([NEW, OLD]);
      const refreshed = await both.sessions.refresh({ refreshToken: moved.refreshToken! });
      // The next period's key is encrypted under the new secret.
      await both.advance('7d');
      const current = await both.sessions.refresh({ refreshToken: refreshed.refreshToken! });

      const alone = await start(NEW);
      await expect(alone.sessions.verify(current.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      await apps.clock.advance('1h');
      const next = await alone.sessions.refresh({ refreshToken: current.refreshToken! });
      await expect(alone.sessions.verify(next.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      const late = alone.sessions.refresh({ refreshToken: forgotten.refreshToken! });
      await expect(late).rejects.toThrow(RefreshTokenInvalidError);
    });

    it('new keys are encrypted under the new secret from the first day of [new, old]', async () => {
      await start(OLD);
      const both = await start([NEW, OLD]);
      await both.sessions.rotateKeys();
      await both.advance('1h');
      const { accessToken } = await logIn(both);
      const alone = await start(NEW);
      await expect(alone.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
    });

    it('[new] alone too early, with keys under the old secret only, is refused at start', async () => {
      await start(OLD);
      await start([NEW, OLD]);
      expect(await refusalOf(start(NEW))).toContain('"secret"');
    });
  });

  describe('that is generated', () => {
    it('is one for all processes: two that start at once share it', async () => {
      // Of several processes that make the tables at once, TypeORM lets only one succeed.
      await (await start('database')).database.query('DELETE FROM jwt_session_key');
      const [first, second] = await Promise.all([start('database'), start('database')]);
      const { accessToken, refreshToken } = await logIn(first!);
      await expect(second!.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      const refreshed = await second!.sessions.refresh({ refreshToken: refreshToken! });
      await expect(first!.sessions.verify(refreshed.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      const secrets = await first!.database.query("SELECT 1 FROM jwt_session_key WHERE purpose = 'server-secret'");
      expect(secrets).toHaveLength(1);
    });

    it('survives a restart', async () => {
      const { accessToken, refreshToken } = await logIn(await start('database'));
      const restarted = await start('database');
      await expect(restarted.sessions.verify(accessToken!)).resolves.toBeDefined();
      await expect(restarted.sessions.refresh({ refreshToken: refreshToken! })).resolves.toBeDefined();
    });

    it("gives way to [own, 'database']: nobody is logged out, and its keys are not trusted any more", async () => {
      const generated = await start('database');
      const issued = await logIn(generated);

      const own = await start([SECRET, 'database']);
      await expect(own.sessions.verify(issued.accessToken!)).rejects.toThrow(AccessTokenInvalidError);
      const { kid } = partsOf(issued.accessToken!).header;
      expect((await fetchJwks(own.url)).keys.map(key => key.kid)).not.toContain(kid);
      const refreshed = await own.sessions.refresh({ refreshToken: issued.refreshToken! });
      await expect(own.sessions.verify(refreshed.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
      await apps.clock.advance('1h');
      await expect(own.sessions.refresh({ refreshToken: refreshed.refreshToken! })).resolves.toBeDefined();
    });

    it.each(PLATFORMS)(
      "makes CSRF tokens that count only with its own refresh tokens, under [own, 'database'] on %s",
      async platform => {
        const others = await TestApps.on(platform);
        const begin = (secret: string | string[]) => others.start({ session: { secret, csrf: 'token' } });
        try {
          const before = new CookieJarClient((await begin('database')).url);
          await before.logIn('ada');
          const own = await begin([SECRET, 'database']);
          const post = (browser: CookieJarClient, path: string, token = browser.valueOf('csrf_token')) =>
            browser.send(path, { method: 'POST', headers: { 'x-csrf-token': token } });
          // Users stay logged in, and can log out.
          const [user, another] = [before.copyAt(own.url), before.copyAt(own.url)];
          expect((await post(user, '/session/refresh')).status).toBe(200);
          expect((await post(user, '/act')).status).toBeLessThan(300);
          expect((await post(another, '/session/logout')).status).toBe(204);

          // A person who planted the secret knows the victim's session id, and makes a CSRF token for it.
          const [row] = await own.database.query<{ secret: Buffer }>(
            "SELECT encrypted_private_key AS secret FROM jwt_session_key WHERE purpose = 'server-secret'",
          );
          const planted = deriveServerKeys(row!.secret.toString('base64url'));
          const victim = new CookieJarClient(own.url);
          await victim.logIn('grace');
          const [session] = await own.sessions.list('grace');
          const forged = planted.csrf.digest(Buffer.from(session!.id)).toString('base64url');
          for (const path of ['/act', '/session/refresh', '/session/logout', '/session/logout-others']) {
            const answer = await post(victim, path, forged);
            expect(answer).toMatchObject({ status: 403, body: { errorCode: 'csrf_rejected' } });
          }
          expect((await post(victim, '/session/refresh')).status).toBe(200);
        } finally {
          await others.close();
        }
      },
    );

    it('does not count beside an own one where it is not asked for, not even one that was planted', async () => {
      const generated = await start('database');
      const { refreshToken } = await logIn(generated);
      const own = await start(SECRET);
      await expect(own.sessions.refresh({ refreshToken: refreshToken! })).rejects.toThrow(RefreshTokenInvalidError);

      await own.database.query(
        "UPDATE jwt_session_key SET encrypted_private_key = $1 WHERE purpose = 'server-secret'",
        [Buffer.alloc(32, 7)],
      );
      const planted = deriveServerKeys(Buffer.alloc(32, 7).toString('base64url'));
      const restarted = await start(SECRET);
      const victim = await logIn(restarted);
      const parts = { sessionId: victim.session.id, generation: 0, secret: Buffer.alloc(32, 1) };
      const forged = restarted.sessions.refresh({ refreshToken: encodeRefreshToken(parts, planted) });
      await expect(forged).rejects.toThrow(RefreshTokenInvalidError);
      await expect(restarted.sessions.verify(victim.accessToken!)).resolves.toBeDefined();
    });

    it('is warned of at every start, and so is one that does not count', async () => {
      const warnings: string[] = [];
      const warn = jest
        .spyOn(Logger.prototype, 'warn')
        .mockImplementation(message => void warnings.push(String(message)));
      try {
        for (const secret of ['database', 'database', SECRET, [SECRET, 'database']]) await start(secret);
      } finally {
        warn.mockRestore();
      }
      expect(warnings.filter(message => message.includes('secret'))).toEqual([
        expect.stringContaining('the secret is generated and kept in the database'),
        expect.stringContaining('the secret is generated and kept in the database'),
        expect.stringMatching(/does not count beside option "secret".*secret: \[own, 'database'\]/),
      ]);
    });

    it('who has read it cannot make keys for an application that has an own one', async () => {
      const generated = await start('database');
      await logIn(generated);
      const own = await start(SECRET);
      const { accessToken } = await logIn(own);
      const [row] = await own.database.query<{ encrypted_private_key: Buffer }>(
        "SELECT encrypted_private_key FROM jwt_session_key WHERE purpose = 'server-secret'",
      );
      const stolen = deriveServerKeys(row!.encrypted_private_key.toString('base64url'));
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const publicJwk = publicJwkOf(privateKey);
      const kid = await calculateJwkThumbprint(publicJwk);
      const forge = async (purpose: string) => {
        const [now, later] = [apps.clock.now(), apps.clock.now() + 604_800_000];
        const times = { period: 1, publishAt: now, signFrom: now, signUntil: later, retireAt: later };
        const context = { kid, purpose, algorithm: 'ES256', publicJwk, ...times };
        const seal = encryptPrivateKey(privateKey, context, stolen);
        await own.database.query(`INSERT INTO jwt_session_key VALUES ($1, $2, 'ES256', 1, $3, $4, $5, $5, $6, $6)`, [
          kid,
          purpose,
          JSON.stringify(publicJwk),
          seal,
          new Date(now),
          new Date(later),
        ]);
      };
      const { header, payload } = partsOf(accessToken!);
      const forged = jws({ ...header, kid }, { ...payload, sub: 'grace' }, es256(privateKey));

      for (const purpose of ['access-token/ES256', 'access-token-of-database/ES256']) {
        await forge(purpose);
        const restarted = await start(SECRET);
        await expect(restarted.sessions.verify(accessToken!)).resolves.toBeDefined();
        await expect(restarted.sessions.verify(forged)).rejects.toThrow(AccessTokenInvalidError);
        // The control: only the application that still lives on the generated secret takes it.
        const trusting = await start('database');
        const outcome = await trusting.sessions.verify(forged).then(
          () => 'accepted',
          () => 'refused',
        );
        expect(outcome).toBe(purpose.startsWith('access-token-of-database') ? 'accepted' : 'refused');
        await own.database.query('DELETE FROM jwt_session_key WHERE kid = $1', [kid]);
      }
    });
  });
});
