import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import * as library from 'nestjs-jwt-session';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';

// An optional package: the name is not resolved when the tests are type-checked.
const SWAGGER: string = '@nestjs/swagger';

interface Operation {
  readonly summary?: string;
  readonly security?: object[];
  readonly requestBody?: { required?: boolean; content: Record<string, { schema: object }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

interface OpenApiDocument {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, { properties: Record<string, object>; required?: string[] }> };
}

interface Builder {
  addBearerAuth(): Builder;
  addCookieAuth(name: string): Builder;
  build(): object;
}

const { DocumentBuilder, SwaggerModule } = (await import(SWAGGER)) as {
  DocumentBuilder: new () => Builder;
  SwaggerModule: { createDocument(app: INestApplication, config: object): OpenApiDocument };
};

class OpenGuard {
  canActivate() {
    return true;
  }
}

const CODES = new Map(
  Object.values(library)
    .filter(value => typeof value === 'function' && value.prototype instanceof library.SessionError)
    .map(value => value as unknown as { code: string; new (message: string): library.SessionError })
    .map(error => [error.code, String(new error('').getStatus())]),
);

describe.each(PLATFORMS)('the OpenAPI document of @nestjs/swagger on %s', platform => {
  let test: TestApp;
  let document: OpenApiDocument;
  let operations: [string, Operation][];
  beforeAll(async () => {
    test = await startTestApp({ platform, session: { verify: { guard: OpenGuard } } });
    const config = new DocumentBuilder().addBearerAuth().addCookieAuth('__Host-access_token').build();
    document = SwaggerModule.createDocument(test.app, config);
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(() => path.startsWith('/session'))
        .map(([method, operation]): [string, Operation] => [`${method.toUpperCase()} ${path}`, operation]),
    );
  });
  afterAll(() => test?.close());

  const find = (name: string) => operations.find(([found]) => found === name)![1];

  it('has every route, with a summary and its refusals', () => {
    expect(operations.map(([name]) => name).sort()).toEqual([
      'DELETE /session/devices/{id}',
      'GET /session',
      'GET /session/devices',
      'POST /session/logout',
      'POST /session/logout-all',
      'POST /session/logout-others',
      'POST /session/refresh',
      'POST /session/verify',
    ]);
    for (const [, { summary, responses }] of operations) {
      expect(summary).toMatch(/^[A-Z]/);
      expect(responses['503']).toMatchObject({ description: 'session_store_unavailable' });
    }
  });

  it('names under each refused status codes of that status only', () => {
    for (const [, { responses }] of operations) {
      for (const [status, { description, content }] of Object.entries(responses)) {
        if (Number(status) < 300) continue;
        expect(content!['application/json']!.schema).toEqual({ $ref: '#/components/schemas/SessionErrorResponse' });
        for (const code of description.split(', ').filter(Boolean))
          expect([code, CODES.get(code)]).toEqual([code, status]);
      }
    }
  });

  it('has bodies and answers', () => {
    const refresh = find('POST /session/refresh');
    expect(refresh.requestBody).toMatchObject({
      required: false,
      content: { 'application/json': { schema: { properties: { refreshToken: { type: 'string' } } } } },
    });
    const answerOf = (name: string) => find(name).responses['200']!.content!['application/json']!.schema;
    expect(answerOf('POST /session/refresh')).toEqual({ $ref: '#/components/schemas/RefreshResponse' });
    expect(answerOf('GET /session/devices')).toEqual({
      type: 'array',
      items: { $ref: '#/components/schemas/DeviceResponse' },
    });
    expect(find('DELETE /session/devices/{id}').responses['204']!.content).toBeUndefined();
    expect(find('GET /session').requestBody).toBeUndefined();
  });

  it('has both security schemes where an access token is needed', () => {
    const secured = operations.filter(([, { security }]) => security !== undefined);
    expect(secured.map(([name]) => name)).toHaveLength(6);
    for (const [, { security }] of secured) expect(security).toEqual([{ bearer: [] }, { cookie: [] }]);
  });

  it('describes answers as they are', async () => {
    const headers = { authorization: `Bearer ${(await test.sessions.logIn('ada')).accessToken!}` };
    const { schemas } = document.components;
    const bodyOf = async (path: string) => (await fetch(test.url + path, { headers })).json() as Promise<object>;
    expect(Object.keys(schemas.SessionResponse!.properties)).toEqual(Object.keys(await bodyOf('/session')));
    const [device] = (await bodyOf('/session/devices')) as object[];
    expect(Object.keys(schemas.DeviceResponse!.properties)).toEqual(Object.keys(device!));
    const error = Object.keys((await (await fetch(`${test.url}/session`)).json()) as object);
    expect(schemas.SessionErrorResponse!.required!.sort()).toEqual(error.sort());
  });
});
