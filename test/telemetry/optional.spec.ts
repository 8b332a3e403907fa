import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { execFileSync } from 'node:child_process';
import { SessionModule } from 'nestjs-jwt-session';
import { refusalOf, startApplication, typeOrmOn } from '../support/application.js';
import { BUILT_PACKAGE } from '../support/built-package.js';
import { TestDatabase } from '../support/database.js';
import { SECRET } from '../support/test-app.js';

/** Has Node find every package but OpenTelemetry's. */
const WITHOUT_OPEN_TELEMETRY = `
  export function resolve(specifier, context, next) {
    if (specifier.startsWith('@opentelemetry/')) throw Object.assign(new Error(specifier), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(specifier, context);
  }`;

const SCRIPT = `
  import 'reflect-metadata';
  import { register } from 'node:module';
  import { Module } from '@nestjs/common';
  import { NestFactory } from '@nestjs/core';
  register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(WITHOUT_OPEN_TELEMETRY)}));
  const { SessionVerifierModule } = await import('nestjs-jwt-session/verifier');
  for (const telemetry of [false, true]) {
    class ServiceModule {}
    const verifier = SessionVerifierModule.forRoot({ sharedSecret: 'a'.repeat(32), telemetry });
    Module({ imports: [verifier] })(ServiceModule);
    await NestFactory.createApplicationContext(ServiceModule, { abortOnError: false, logger: false }).then(
      () => console.log('started'),
      error => console.log(error.message),
    );
  }`;

describe('F33: option telemetry', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database?.drop());

  const start = (telemetry: unknown) =>
    startApplication({
      imports: [typeOrmOn(database), SessionModule.forRoot({ secret: SECRET, telemetry: telemetry as boolean })],
    });

  it('without the package a start is refused and says what to install; without the option nothing needs it', () => {
    const parameters = ['--input-type=module', '--no-warnings', '--eval', SCRIPT];
    const output = execFileSync(process.execPath, parameters, { cwd: BUILT_PACKAGE, encoding: 'utf8' });
    expect(output.trim().split('\n')).toEqual([
      'started',
      'SessionVerifierModule cannot start:',
      '  - option "telemetry" needs the package @opentelemetry/api: run "npm install @opentelemetry/api"',
    ]);
  });

  it('without an SDK the application starts, and the log says that nothing is counted', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { app } = await start(true);
    const warnings = warn.mock.calls.map(([message]) => String(message));
    warn.mockRestore();
    await app.close();
    expect(warnings.filter(message => message.includes('no MeterProvider of OpenTelemetry'))).toHaveLength(1);
  });

  it('is true or false', async () => {
    expect(await refusalOf(start('on'))).toContain('option "telemetry": write true or false');
  });
});
