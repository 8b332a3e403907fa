import { availableParallelism } from 'node:os';

/** `npm test -- path/to/file.spec.ts` runs the file; otherwise the specs of a folder run together, through its `all.ts`. */
const namesFile = process.argv.some(argument => argument.endsWith('.spec.ts'));

/** `TEST_TYPEORM=/path/to/node_modules/typeorm npm test` runs everything on another version of TypeORM. */
const typeorm = process.env.TEST_TYPEORM;

export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: [namesFile ? '**/*.spec.ts' : '**/all.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  moduleNameMapper: {
    ...(typeorm && { '^typeorm$': `${typeorm}/index.mjs`, '^typeorm/(.*)$': `${typeorm}/$1` }),
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^nestjs-jwt-session$': '<rootDir>/lib/index.ts',
    '^nestjs-jwt-session/verifier$': '<rootDir>/lib/verifier/index.ts',
    '^nestjs-jwt-session/testing$': '<rootDir>/lib/testing/index.ts',
    '^nestjs-jwt-session/client$': '<rootDir>/lib/client/index.ts',
    '^nestjs-jwt-session/accounts$': '<rootDir>/lib/accounts/index.ts',
    '^nestjs-jwt-session/accounts/testing$': '<rootDir>/lib/accounts/testing/index.ts',
    '^nestjs-jwt-session/redis$': '<rootDir>/lib/redis/index.ts',
  },
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  // Much of the work is PostgreSQL's and browsers', and much of the time is waiting.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  testTimeout: 60_000,
};
