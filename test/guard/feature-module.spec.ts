import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type DynamicModule, Get, type INestApplication, Module, UseGuards } from '@nestjs/common';
import { CurrentSession, SessionGuard, SessionModule, SessionService, UserSession } from 'nestjs-jwt-session';
import { signInAs } from 'nestjs-jwt-session/testing';
import { refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { send } from '../support/client.js';
import { TestDatabase } from '../support/database.js';
import { PLATFORMS, SECRET } from '../support/test-app.js';

@Controller('feature')
class FeatureController {
  constructor(private readonly sessions: SessionService) {}

  @Get()
  @UseGuards(SessionGuard)
  async mine(@CurrentSession() session: UserSession) {
    return { devices: (await this.sessions.list(session.userId)).length };
  }
}

/** Only the guard is used here: what it needs must be visible too. */
@Controller('guarded')
@UseGuards(SessionGuard)
class OnlyGuardedController {
  @Get()
  open() {
    return {};
  }
}

const feature = (...imports: DynamicModule[]): DynamicModule => {
  @Module({ imports, controllers: [FeatureController, OnlyGuardedController] })
  class FeatureModule {}
  return { module: FeatureModule };
};

describe.each(PLATFORMS)('a feature module on %s', platform => {
  let database: TestDatabase;
  let app: INestApplication | undefined;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(() => database.drop());

  async function expectItToWork(imports: DynamicModule[]): Promise<void> {
    const started = await startApplication({ platform, imports: [typeOrmOn(database), ...imports] });
    app = started.app;
    const headers = { ...(await signInAs(app, 'ada')) };
    const { devices } = (await send(`${started.url}/feature`, { headers })).body;
    expect(devices).toBeGreaterThan(0);
    expect((await send(`${started.url}/guarded`, { headers })).status).toBe(200);
    expect((await send(`${started.url}/guarded`)).status).toBe(401);
  }

  it('imports nothing: the module is global', async () => {
    await expectItToWork([SessionModule.forRoot({ secret: SECRET }), feature()]);
  });

  it('imports nothing, in any module that calls forRootAsync', async () => {
    await expectItToWork([feature(), SessionModule.forRootAsync({ useFactory: () => ({ secret: SECRET }) })]);
  });

  it('imports the module where isGlobal is false', async () => {
    const sessions = SessionModule.forRoot({ secret: SECRET, isGlobal: false });
    await expectItToWork([sessions, feature(sessions)]);
  });

  it('does not see a module that is neither global nor imported', async () => {
    const sessions = SessionModule.forRoot({ secret: SECRET, isGlobal: false });
    const start = startApplication({ platform, imports: [typeOrmOn(database), sessions, feature()] });
    expect(await refusalOf(start)).toMatch(
      /dependencies of the FeatureController|SessionGuard cannot start:.*isGlobal: false/s,
    );
  });
});
