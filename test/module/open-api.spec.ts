import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as library from 'nestjs-jwt-session';
import { answerOf, misplacedCodes, type OpenApiDocument, openApiOf, statusesOf } from '../support/open-api.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

class OpenGuard {
  canActivate() {
    return true;
  }
}

describe.each(PLATFORMS)('the OpenAPI document of @nestjs/swagger on %s', platform => {
  let test: TestApp;
  let document: OpenApiDocument;
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { verify: { guard: OpenGuard } } });
    document = await openApiOf(test.app, '/session');
  });
  afterAll(() => test?.close());

  it('has every route, with a summary and its refusals', () => {
    expect([...document.operations.keys()].sort()).toEqual([
      'DELETE /session/devices/{id}',
      'GET /session',
      'GET /session/devices',
      'POST /session/logout',
      'POST /session/logout-all',
      'POST /session/logout-others',
      'POST /session/refresh',
      'POST /session/verify',
    ]);
    for (const { summary, responses } of document.operations.values()) {
      expect(summary).toMatch(/^[A-Z]/);
      expect(responses['503']!.description).toBe('session_store_unavailable');
      expect(responses['503']!.content!['application/json']!.schema).toEqual({
        $ref: '#/components/schemas/SessionErrorResponse',
      });
    }
  });

  it('names under each refused status codes of that status only', () => {
    expect(misplacedCodes(document, statusesOf(library))).toEqual([]);
  });

  it('has bodies and answers', () => {
    const { requestBody } = document.operations.get('POST /session/refresh')!;
    expect(requestBody).toMatchObject({
      required: false,
      content: { 'application/json': { schema: { properties: { refreshToken: { type: 'string' } } } } },
    });
    expect(answerOf(document, 'POST /session/refresh')).toEqual({ $ref: '#/components/schemas/RefreshResponse' });
    expect(answerOf(document, 'GET /session/devices')).toEqual({
      type: 'array',
      items: { $ref: '#/components/schemas/DeviceResponse' },
    });
    expect(answerOf(document, 'DELETE /session/devices/{id}', '204')).toBeUndefined();
    expect(document.operations.get('GET /session')!.requestBody).toBeUndefined();
  });

  it('has both security schemes where an access token is needed', () => {
    const secured = [...document.operations.values()].filter(({ security }) => security !== undefined);
    expect(secured).toHaveLength(6);
    for (const { security } of secured) expect(security).toEqual([{ bearer: [] }, { cookie: [] }]);
  });

  it('describes answers as they are', async () => {
    const headers = { authorization: `Bearer ${(await test.sessions.logIn('ada')).accessToken!}` };
    const bodyOf = async (path: string) => (await fetch(test.url + path, { headers })).json() as Promise<object>;
    const { SessionResponse, DeviceResponse, SessionErrorResponse } = document.schemas;
    // This session has no key and no actor, so that its answer leaves both out.
    const documented = Object.keys(SessionResponse!.properties);
    expect(documented).toEqual([...Object.keys(await bodyOf('/session')), 'boundBy', 'actor']);
    const [device] = (await bodyOf('/session/devices')) as object[];
    expect(Object.keys(DeviceResponse!.properties)).toEqual(Object.keys(device!));
    const refusal = (await (await fetch(`${test.url}/session`)).json()) as object;
    expect(SessionErrorResponse!.required!.sort()).toEqual(Object.keys(refusal).sort());
  });
});
