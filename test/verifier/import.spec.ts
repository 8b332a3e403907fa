import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { BUILT_PACKAGE } from '../support/built-package.js';

/** Node as on a machine where these packages are not installed. */
function importWithout(packages: string, entry: string): string {
  const hook = `export async function resolve(specifier, context, next) {
    if (new RegExp('^(${packages})(/|$)').test(specifier)) throw new Error('not installed: ' + specifier);
    return next(specifier, context);
  }`;
  const register = `import { register } from 'node:module';
    register('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(hook))});`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(register)}`,
      '--input-type=module',
      '--eval',
      `console.log(Object.keys(await import(${JSON.stringify(entry)})).join())`,
    ],
    { cwd: BUILT_PACKAGE },
  );
  return status === 0 ? stdout.toString() : stderr.toString();
}

const DATABASE = 'typeorm|pg|@nestjs/typeorm|@nestjs/schedule';

describe('what the entry points need', () => {
  it('the verifier is imported where there is neither typeorm nor pg', () => {
    expect(importWithout(DATABASE, 'nestjs-jwt-session/verifier')).toContain('SessionVerifierModule');
  });

  it('the module is not', () => {
    expect(importWithout(DATABASE, 'nestjs-jwt-session')).toContain('not installed: ');
  });

  it('the browser client needs nothing', () => {
    const others = '(?!nestjs-jwt-session/)@?[a-z].*';
    expect(importWithout(others, 'nestjs-jwt-session/client')).toContain('createSessionFetch');
    expect(importWithout(others, 'nestjs-jwt-session/verifier')).toContain('not installed: ');
  });
});
