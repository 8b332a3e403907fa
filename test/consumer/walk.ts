import assert from 'node:assert/strict';
import type { INestApplication } from '@nestjs/common';
import { signInAs } from 'nestjs-jwt-session/testing';

/** Logs in, is admitted, refreshes, logs out and is refused. */
export async function walk(app: INestApplication): Promise<void> {
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();

  async function call(path: string, method: string, headers: Record<string, string>, body?: object) {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: (text ? JSON.parse(text) : {}) as Record<string, string> };
  }

  const login = await call('/login', 'POST', { 'session-transport': 'bearer' }, { userId: 'ada' });
  assert.equal(login.status, 200);
  const bearer = { authorization: `Bearer ${login.body.accessToken}` };
  assert.deepEqual((await call('/me', 'GET', bearer)).body, { userId: 'ada', role: 'admin' });
  const refreshed = await call('/session/refresh', 'POST', {}, { refreshToken: login.body.refreshToken });
  assert.equal(refreshed.status, 200);
  assert.notEqual(refreshed.body.refreshToken, login.body.refreshToken);
  const renewed = { authorization: `Bearer ${refreshed.body.accessToken}` };
  assert.equal((await call('/me', 'GET', renewed)).status, 200);
  // bowser is not installed here: without it a device without a label has none.
  const devices = (await call('/session/devices', 'GET', renewed)).body as unknown as { label: string | null }[];
  assert.deepEqual(
    devices.map(({ label }) => label),
    [null],
  );
  assert.equal((await call('/session/logout', 'POST', renewed)).status, 204);
  assert.equal((await call('/me', 'GET', renewed)).body.errorCode, 'session_revoked');
  const grace = { ...(await signInAs(app, 'grace', { claims: { role: 'user' } })) };
  assert.deepEqual((await call('/me', 'GET', grace)).body, { userId: 'grace', role: 'user' });
  await app.close();
}
