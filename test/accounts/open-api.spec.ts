import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as library from 'nestjs-jwt-session';
import * as accounts from 'nestjs-jwt-session/accounts';
import { answerOf, misplacedCodes, type OpenApiDocument, openApiOf, statusesOf } from '../support/open-api.js';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, PASSWORD } from './account-app.js';

describe.each(PLATFORMS)('the accounts in the OpenAPI document of @nestjs/swagger on %s', platform => {
  let app: AccountApp;
  let document: OpenApiDocument;
  beforeAll(async () => {
    app = await AccountApp.start({ platform });
    document = await openApiOf(app.test.app, '/account');
  });
  afterAll(() => app?.close());

  it('have summaries, bodies, and refusals whose codes are of that status', () => {
    expect(document.operations.size).toBe(15);
    for (const [name, { summary, requestBody }] of document.operations) {
      expect(summary).toMatch(/^[A-Z]/);
      expect([name, requestBody === undefined]).toEqual([name, name.startsWith('GET')]);
    }
    expect(misplacedCodes(document, new Map([...statusesOf(library), ...statusesOf(accounts)]))).toEqual([]);
  });

  it('name the members of bodies as they are read', async () => {
    const bodies = [...document.operations].filter(([name]) => /^POST .*(register|login|-password|-email)$/.test(name));
    expect(bodies).toHaveLength(6);
    for (const [name, { requestBody }] of bodies) {
      const { properties } = requestBody!.content['application/json']!.schema;
      const body = Object.fromEntries(Object.keys(properties!).map(member => [member, 'x'.repeat(20)]));
      const { errors = [] } = (await app.post(name.replace('POST /account/', ''), body)).body as { errors?: object[] };
      expect(errors.filter(error => 'reason' in error && error.reason === 'unknown_field')).toEqual([]);
    }
  });

  it('have both security schemes where an access token is needed', () => {
    const secured = [...document.operations].filter(([, { security }]) => security?.length === 2);
    expect(secured.map(([name]) => name).sort()).toEqual([
      'DELETE /account',
      'GET /account',
      'GET /account/export',
      'POST /account/email',
      'POST /account/password',
      'POST /account/reauthenticate',
    ]);
  });

  it('describe answers as they are', async () => {
    await app.member('open-api@example.com');
    const client = await app.loggedIn('open-api@example.com');
    const keysOf = (name: string) => Object.keys(document.schemas[name]!.properties).sort();
    const login = await app.post('login', { email: 'open-api@example.com', password: PASSWORD });
    expect(keysOf('AccountLogInResponse')).toEqual(expect.arrayContaining(Object.keys(login.body)));
    expect(keysOf('AccountResponse')).toEqual(Object.keys((await client.send('/account')).body).sort());
    expect(keysOf('AccountExportResponse')).toEqual(Object.keys((await client.send('/account/export')).body).sort());
    expect(answerOf(document, 'GET /account')).toEqual({ $ref: '#/components/schemas/AccountResponse' });
  });
});
