import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SESSION_ENTITIES } from 'nestjs-jwt-session';
import { ACCOUNT_ENTITIES, AccountEntity } from 'nestjs-jwt-session/accounts';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';

const ENTITIES = [...SESSION_ENTITIES, ...ACCOUNT_ENTITIES];

function setName(type: object, value: string): void {
  Object.defineProperty(type, 'name', { value, configurable: true });
}

describe('a bundle without the names of classes', () => {
  const names = ENTITIES.map(({ name }) => name);
  let app: AccountApp;
  beforeAll(async () => {
    ENTITIES.forEach(entity => setName(entity, ''));
    app = await AccountApp.start();
  });
  afterAll(async () => {
    await app?.close();
    ENTITIES.forEach((entity, n) => setName(entity, names[n]!));
  });

  it('F24: accounts work in a bundle whose minifier has removed the names of classes', async () => {
    expect(AccountEntity.name).toBe('');
    expect((await app.register('ada@example.com')).status).toBe(202);
    const id = await app.verified('grace@example.com');
    const client = await app.loggedIn('grace@example.com');
    const body = { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD };
    expect((await client.send('/account/password', { method: 'POST', body })).status).toBe(204);
    expect(await app.accounts.disable(id)).toBe(true);
    expect(await app.accounts.delete(id)).toBe(true);
    await app.cleanUp();
  });
});
