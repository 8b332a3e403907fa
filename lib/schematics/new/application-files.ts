import { template } from '../add/files.js';
import type { ApplicationOptions } from './application.schematic.js';

/** @returns the sources for users and their login, by their paths below `src` */
export function sourcesOf(): Record<string, string> {
  return {
    'auth/auth.controller.ts': template('auth.controller.ts'),
    'auth/credentials.dto.ts': template('credentials.dto.ts'),
    'users/create-users.migration.ts': template('create-users.migration.ts'),
    'users/user.entity.ts': template('user.entity.ts'),
    'users/users.module.ts': template('users.module.ts'),
    'users/users.service.ts': template('users.service.ts'),
    'request-validation.ts': template('request-validation.ts'),
  };
}

/** @returns the end-to-end tests, by their paths */
export function testsOf({ accounts, platform }: ApplicationOptions): Record<string, string> {
  const subject = accounts ? 'accounts.e2e-spec.ts' : 'auth.e2e-spec.ts';
  return {
    'test/app.e2e-spec.ts': template('app.e2e-spec.ts'),
    [`test/${subject}`]: template(subject),
    'test/cookies-of.ts': template('cookies-of.ts'),
    'test/start-app.ts': template(`start-app.${platform}.ts`),
  };
}
