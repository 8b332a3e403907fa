import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionStoreUnavailableError } from 'nestjs-jwt-session';
import { KeyRotation } from '../../lib/keys/key-rotation.js';
import { SessionTimers } from '../../lib/common/clock.js';
import { type AppBehindProxy, startBehindProxy } from '../support/app-behind-proxy.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import type { TestApp } from '../support/test-app.js';

/** Loses patience with the database after a tenth of the time. */
class ImpatientTimers extends SessionTimers {
  override within<T>(milliseconds: number, answer: Promise<T>, late: () => Error): Promise<T> {
    return super.within(milliseconds / 10, answer, late);
  }
}

// The data source has no `query_timeout`: a wait for the driver alone never ends.
describe('a database that swallows everything', () => {
  let started: AppBehindProxy;
  let test: TestApp;
  let proxy: TcpProxy;
  beforeAll(async () => {
    started = await startBehindProxy({
      override: builder => builder.overrideProvider(SessionTimers).useValue(new ImpatientTimers()),
    });
    ({ test, proxy } = started);
  });
  afterAll(async () => {
    await proxy?.restore();
    await started?.close();
  });

  it('J06, S14: holds up neither rotation nor those who bring an unknown kid, and is used again when it is back', async () => {
    const { accessToken, refreshToken } = await test.sessions.logIn('ada');
    const [, ...rest] = accessToken!.split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'unknown' })).toString('base64url');
    proxy.stall();
    await expect(test.sessions.verify([header, ...rest].join('.'))).rejects.toThrow(SessionStoreUnavailableError);
    await expect(test.app.get(KeyRotation).tick()).rejects.toThrow(SessionStoreUnavailableError);
    await expect(test.sessions.verify(accessToken!)).resolves.toMatchObject({ userId: 'ada' });

    await proxy.restore();
    await test.app.get(KeyRotation).tick();
    const refreshed = await test.sessions.refresh({ refreshToken: refreshToken! });
    await expect(test.sessions.verify(refreshed.accessToken!)).resolves.toMatchObject({ userId: 'ada' });
  });

  it('does not keep the application from ending', async () => {
    const { refreshToken } = await test.sessions.logIn('ada');
    const { accessToken } = await test.sessions.refresh({ refreshToken: refreshToken! });
    await test.sessions.verify(accessToken!);
    proxy.stall();
    // What shutting down waits for.
    await test.confirmUses();
  });
});
