import { describe, expect, it } from '@jest/globals';
import { getMetadataStorage } from 'class-validator';
import { existsSync, readFileSync } from 'node:fs';
import * as library from 'nestjs-jwt-session';
import { ROTATION_CASES } from '../../lib/rules/rotation.js';
import { DEFAULT_EXTRAS, DEFAULTS } from '../../lib/options/session-options.defaults.js';
import * as options from '../../lib/options/session-options.js';
import { compileAsConsumer } from '../support/compile.js';

const readme = readFileSync('README.md', 'utf8');
const protocol = '../shared/PROTOCOL.md';

/** The cells of the table whose first heading is given, without back-ticks. */
function table(heading: string): string[][] {
  const lines = readme.split('\n');
  const start = lines.findIndex(line => line.startsWith(`| ${heading} `));
  const rows = lines.slice(start + 2);
  const end = rows.findIndex(line => !line.startsWith('|'));
  return rows.slice(0, end).map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  );
}

const code = (cell: string) => cell.replaceAll('`', '');

function optionNames(type: new () => object, prefix = ''): string[] {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
  return [...new Set(metadata.map(({ propertyName }) => `${prefix}${propertyName}`))];
}

describe('README', () => {
  const blocks = [...readme.matchAll(/^( *)```ts\n([\s\S]*?)^ *```/gm)].map(([, , block]) => block!);

  it.each(blocks.map((block, index) => [index + 1, block]))(
    'code block %i compiles as in a Nest application',
    (_, block) => {
      expect(compileAsConsumer(String(block))).toEqual([]);
    },
  );

  it('a code block with a mistake does not compile', () => {
    expect(compileAsConsumer(blocks[0]!.replace('session.userId', 'session.user'))).not.toEqual([]);
  });

  it('lists every option, with its default', () => {
    const nested = {
      accessToken: options.AccessTokenOptions,
      session: options.SessionLifetimeOptions,
      keys: options.KeyOptions,
      cookies: options.CookieOptions,
      revocation: options.RevocationOptions,
      binding: options.BindingOptions,
    };
    const names = [
      ...optionNames(options.SessionModuleOptions).filter(name => !(name in nested)),
      ...Object.entries(nested).flatMap(([name, type]) => optionNames(type, `${name}.`)),
      'dataSource',
      'verify',
      ...Object.keys(DEFAULT_EXTRAS),
    ];
    const rows = table('option');
    expect(rows.map(([name]) => code(name!)).sort()).toEqual(names.sort());

    const documented = new Map(rows.map(([name, value]) => [code(name!), code(value!)]));
    for (const [name, value] of Object.entries({ ...DEFAULTS, ...DEFAULT_EXTRAS })) {
      if (Array.isArray(value)) expect(documented.get(name)).toBe('none');
      else if (!(name in nested))
        expect(documented.get(name)!.replace(/^\{ path: '(.*)' \}$/, '$1')).toBe(pathOf(value));
      else
        for (const [key, inner] of Object.entries(value)) expect(documented.get(`${name}.${key}`)).toBe(String(inner));
    }
  });

  it('lists every error code with its status', () => {
    const errors = Object.values(library).filter(
      (value): value is typeof library.SessionMissingError =>
        typeof value === 'function' && value.prototype instanceof library.SessionError && 'code' in value,
    );
    const codes = errors.map(error => error.code as string).sort();
    expect(codes.length).toBeGreaterThan(8);
    const rows = table('status').map(([status, errorCode]) => [code(errorCode!), status]);
    expect(rows.map(([errorCode]) => errorCode).sort()).toEqual(codes);
    for (const error of errors) {
      const { statusCode } = new error('recent').getResponse() as { statusCode: number };
      expect(rows).toContainEqual([error.code, String(statusCode)]);
    }
  });

  it('lists every case of the rotation', () => {
    expect(table('case').map(([name]) => code(name!))).toEqual(Object.keys(ROTATION_CASES));
  });

  (existsSync(protocol) ? it : it.skip)(
    'PROTOCOL.md (skipped where it is not beside the project) has the same cases',
    () => {
      const text = readFileSync(protocol, 'utf8');
      const cases = [...text.matchAll(/^\| `(?:theft: )?([a-z-]+)` \|/gm)].map(([, name]) => name);
      expect(cases.filter(name => name !== 'generation')).toEqual(Object.keys(ROTATION_CASES));
    },
  );

  it('names the two lines to begin with', () => {
    expect(readme).toContain('npm ci && npm start');
    expect(readme).toContain('npm ci && npm test');
  });
});

function pathOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'path' in value ? String(value.path) : String(value);
}
