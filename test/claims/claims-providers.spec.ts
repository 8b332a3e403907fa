import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, type Provider, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  type ClaimsProvider,
  type ClaimsRequest,
  SessionModule,
  type SessionModuleOptions,
  SessionService,
} from 'nestjs-jwt-session';
import { refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { CookieClient } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

const rolesOf = ({ userId }: ClaimsRequest) => ({ role: `role of ${userId}` });

@Injectable()
class WithMethod implements ClaimsProvider {
  constructor(readonly sessions: SessionService) {}
  claimsFor(request: ClaimsRequest) {
    return rolesOf(request);
  }
}

@Injectable()
class WithArrowFunction implements ClaimsProvider {
  constructor(readonly sessions: SessionService) {}
  claimsFor = (request: ClaimsRequest) => rolesOf(request);
}

@Injectable({ scope: Scope.TRANSIENT })
class Transient extends WithMethod {}

@Injectable()
class WithTransient extends WithMethod {
  constructor(
    sessions: SessionService,
    readonly dependency: Transient,
  ) {
    super(sessions);
  }
}

abstract class Roles implements ClaimsProvider {
  abstract claimsFor(request: ClaimsRequest): { role: string };
}

@Injectable({ scope: Scope.REQUEST })
class RequestScoped extends WithMethod {}

@Injectable({ scope: Scope.REQUEST })
class Tenant {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
}

@Injectable()
class ScopedByDependency extends WithMethod {
  constructor(
    sessions: SessionService,
    readonly tenant: Tenant,
  ) {
    super(sessions);
  }
}

class WithoutMethod {}

type Claims = SessionModuleOptions['claims'];

describe.each(PLATFORMS)('F23: a provider of claims on %s', platform => {
  let apps: TestApps;
  beforeAll(async () => {
    apps = await TestApps.on(platform);
  });
  afterAll(() => apps?.close());

  it.each<[string, Claims, Provider[]]>([
    ['with a method', WithMethod, [WithMethod]],
    ['whose claimsFor is an arrow function', WithArrowFunction, [WithArrowFunction]],
    ['that is transient', Transient, [Transient]],
    ['that injects a transient provider', WithTransient, [WithTransient, Transient]],
    ['behind an abstract class', Roles, [{ provide: Roles, useClass: WithMethod }]],
    ['behind an abstract class, as a value', Roles, [{ provide: Roles, useValue: { claimsFor: rolesOf } }]],
    [
      'from a factory that is ready later',
      Roles,
      [{ provide: Roles, useFactory: async () => ({ claimsFor: rolesOf }) }],
    ],
    [
      'that is a function of its own',
      function claims(request) {
        return rolesOf(request as ClaimsRequest);
      } as Claims,
      [],
    ],
  ])('%s gives the claims at login and at refresh', async (_, claims, providers) => {
    const { url } = await apps.start({ session: { claims }, providers });
    const client = new CookieClient(url);
    expect((await client.logIn('ada')).status).toBe(200);
    expect((await client.send('/me')).body.claims).toEqual({ role: 'role of ada' });
    expect((await client.refresh()).status).toBe(200);
    expect((await client.send('/me')).body.claims).toEqual({ role: 'role of ada' });
  });
});

describe('an application does not start with a provider of claims', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  it.each<[string, Claims, Provider[], RegExp]>([
    [
      'that no module provides',
      WithMethod,
      [],
      /option "claims": no module provides WithMethod: add it to the "providers"/,
    ],
    [
      'that is request-scoped',
      RequestScoped,
      [RequestScoped],
      /option "claims": RequestScoped or something that it injects is request-scoped: write a provider/,
    ],
    [
      'that injects something request-scoped',
      ScopedByDependency,
      [ScopedByDependency, Tenant],
      /option "claims": ScopedByDependency or something that it injects is request-scoped/,
    ],
    [
      'without claimsFor',
      WithoutMethod as unknown as Claims,
      [WithoutMethod],
      /option "claims": WithoutMethod has no method claimsFor/,
    ],
  ])('%s, and says what to write', async (_, claims, providers, message) => {
    const imports = [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET, claims })];
    expect(await refusalOf(startApplication({ imports, providers }))).toMatch(message);
  });
});
