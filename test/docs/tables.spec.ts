import { describe, expect, it } from '@jest/globals';
import { type Type, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import * as library from 'nestjs-jwt-session';
import * as accounts from 'nestjs-jwt-session/accounts';
import { AccountSettings } from '../../lib/accounts/options/account-options.js';
import { StaticAccountSettings } from '../../lib/accounts/options/static-account-options.js';
import { optionNames } from '../../lib/common/option-mistakes.js';
import { OptionGroup } from '../../lib/common/options.js';
import { SessionSettings } from '../../lib/options/session-options.js';
import { StaticSessionSettings } from '../../lib/options/static-options.js';
import { ROTATION_CASES } from '../../lib/rules/rotation.js';
import { SessionVerifierSettings, StaticVerifierSettings } from '../../lib/verifier/session-verifier.options.js';
import { Declarations } from './declarations.js';
import { tableOf } from './pages.js';

const OPTIONS = 'docs/options.md';
const INTEGRATING = 'docs/integrating.md';

const firstColumn = (page: string, ...header: string[]) => tableOf(page, ...header).map(([name]) => name!);
const sorted = (names: Iterable<string>) => [...names].sort();

describe('the tables of options', () => {
  it.each<[string, string, (new () => OptionGroup)[]]>([
    ['SessionModule', 'option', [SessionSettings, StaticSessionSettings]],
    ['AccountModule', 'account option', [AccountSettings, StaticAccountSettings]],
  ])('%s: every option, with its default', (_module, header, types) => {
    expect(sorted(firstColumn(OPTIONS, header, 'default'))).toEqual(sorted(types.flatMap(type => optionNames(type))));
    for (const type of types) expectDefaults(header, new type());
  });

  it('SessionVerifierModule: every option, with its default', () => {
    const types = [SessionVerifierSettings, StaticVerifierSettings];
    const names = types.flatMap(type => optionNames(type)).map(name => name.replace(/^cookies\..*/, 'cookies'));
    expect(sorted(firstColumn(OPTIONS, 'verifier option'))).toEqual(sorted(new Set(names)));
    const { cookies, ...defaults } = new SessionVerifierSettings();
    expect(cookies).toEqual(new SessionSettings().cookies);
    expectDefaults('verifier option', { ...defaults, ...new StaticVerifierSettings() });
  });

  it('logIn: every option', () => {
    const inputs = new Declarations('lib/session.interfaces.ts');
    expect(sorted(firstColumn(OPTIONS, 'log-in option'))).toEqual(sorted(inputs.optionsOf('LogInOptions')));
  });

  it('AccountModule: every template', () => {
    const [, , templates] = tableOf(OPTIONS, 'account option').find(([name]) => name === 'mail.templates')!;
    const mails = new Declarations('lib/accounts/mail/templates.ts').optionsOf('MailTemplates');
    expect(templates!.replace(/^.*: /, '').split(', ')).toEqual(mails);
  });

  it('the client: every option, method and reason', () => {
    const client = new Declarations('lib/client/client.types.ts');
    const options = tableOf(OPTIONS, 'client option');
    expect(sorted(options.map(([name]) => name!))).toEqual(sorted(client.optionsOf('SessionFetchOptions')));
    const meaning = (name: string) => options.find(([option]) => option === name)![2]!;
    for (const method of client.optionsOf('SessionTokenStorage')) expect(meaning('storage')).toContain(`${method}(`);
    for (const part of client.optionsOf('SessionEnvironment')) expect(meaning('environment')).toContain(part);
    expect(sorted(firstColumn(OPTIONS, 'client method'))).toEqual(sorted(client.optionsOf('SessionMethods')));
    expect(sorted(firstColumn(OPTIONS, 'end reason'))).toEqual(sorted(client.wordsOf('SessionEndReason')));
  });
});

describe('the tables of codes', () => {
  it('sessions: every code with its status', () => {
    const rows = tableOf(OPTIONS, 'status', 'errorCode').map(([status, code]) => [code, status]);
    const codes = new Declarations('lib/session.errors.ts').wordsOf('SessionErrorCode');
    expect(sorted(rows.map(([code]) => code!))).toEqual(sorted(codes));
    expect(sorted(errorsOf(library, library.SessionError).map(String))).toEqual(sorted(rows.map(String)));
  });

  it('accounts: every code with its status', () => {
    const rows = tableOf(OPTIONS, 'account status', 'errorCode').map(([status, code]) => [code, status]);
    const codes = new Declarations('lib/accounts/account.errors.ts').wordsOf('AccountErrorCode');
    expect(sorted(rows.map(([code]) => code!))).toEqual(sorted(codes));
    expect(sorted(errorsOf(accounts, accounts.AccountError).map(String))).toEqual(sorted(rows.map(String)));
  });
});

describe('the tables of events', () => {
  it.each([
    ['event', 'lib/session.events.ts', 'SessionEvent'],
    ['account event', 'lib/accounts/account.events.ts', 'AccountEvent'],
  ])('%s: every one, with what it carries', (header, file, type) => {
    const rows = tableOf(OPTIONS, header, 'carries').map(([name, carried]): [string, string[]] => [
      name!,
      carried === '' ? [] : carried!.split(', '),
    ]);
    const declared = [...new Declarations(file).unionOf(type)];
    expect(new Map(rows.map(([name, carried]) => [name, sorted(carried)]))).toEqual(
      new Map(declared.map(([name, carried]) => [name, sorted(carried)])),
    );
  });
});

describe('the cases of a refresh', () => {
  it('are all there', () => {
    expect(firstColumn(OPTIONS, 'case')).toEqual(Object.keys(ROTATION_CASES));
  });
});

describe('the comparison on the first page', () => {
  const ROWS = tableOf('README.md', 'measured', 'this library', 'the best other');
  const measured = tableOf('docs/performance.md', 'measure', 'contestant');
  const numberOf = (cell: string) => Number(/[\d,.]+/.exec(cell)![0].replaceAll(',', ''));

  it.each([
    ['guarded requests per second, Fastify', 'guarded route, fastify', 2, Math.max],
    ['to accept a known access token', 'warm token', 2, Math.min],
    ['logins per second, 32 callers', 'logIn, 32 callers', 2, Math.max],
    ['refreshes per second, 32 callers', 'refresh, 32 callers', 2, Math.max],
    ['statements per refresh', 'refresh, 1 caller', 7, Math.min],
    ['log-outs of all sessions of a user per second', 'logOutAll, 1 caller', 2, Math.max],
  ])('%s: the results of docs/performance.md', (name, measure, column, bestOf) => {
    const rows = measured.filter(([of, who]) => of === measure && !who!.startsWith('limit'));
    // Of several ways the first one is compared, which is the call without the guard.
    const ownResult = rows.find(([, who]) => who!.startsWith('this library'))![column];
    const others = rows.filter(([, who]) => !who!.startsWith('this library'));
    const best = bestOf(...others.map(row => numberOf(row[column]!)));
    const [, own, other] = ROWS.find(([first]) => first === name)!;
    expect(numberOf(own!)).toBe(numberOf(ownResult!));
    expect(numberOf(other!)).toBe(best);
    const [, contestant] = others.find(row => numberOf(row[column]!) === best)!;
    expect(contestant).toContain(/\((.*)\)/.exec(other!)![1]);
  });

  it('has no other row', () => {
    expect(ROWS).toHaveLength(6);
  });
});

describe('the tables of routes', () => {
  it('sessions: every route', () => {
    const beside = ['GET /session/revocations', 'POST /session/verify', 'GET /.well-known/jwks.json'];
    expect(sorted(firstColumn('README.md', 'route', 'answer'))).toEqual(
      sorted([...routesOf(library.SessionController), ...beside]),
    );
  });

  it('accounts: every route', () => {
    const routes = firstColumn(INTEGRATING, 'route', 'body').flatMap(cell => cell.split(', '));
    expect(sorted(routes)).toEqual(sorted(routesOf(accounts.AccountController)));
  });
});

describe('the tables of methods', () => {
  it.each([
    ['SessionService', 'lib/session.service.ts'],
    ['AccountService', 'lib/accounts/account.service.ts'],
  ])('%s: every one', (name, file) => {
    const documented = firstColumn(INTEGRATING, `method of ${name}`).flatMap(cell =>
      cell.replaceAll(/\([^)]*\)/g, '').split(', '),
    );
    expect(sorted(documented)).toEqual(sorted(new Declarations(file).methodsOf(name)));
  });
});

/** Each default in the code is the one in the table; what the table says of options without one is prose. */
function expectDefaults(header: string, defaults: object): void {
  const documented = new Map(tableOf(OPTIONS, header, 'default').map(([name, value]) => [name!, value!]));
  const written = [...leavesOf(defaults)].map(([name]) => [name, documented.get(name)]);
  expect(Object.fromEntries(written)).toEqual(Object.fromEntries(leavesOf(defaults)));
}

function* leavesOf(defaults: object, prefix = ''): Generator<[string, string]> {
  for (const [name, value] of Object.entries(defaults) as [string, unknown][]) {
    const path = `${prefix}${name}`;
    if (value === undefined) continue;
    if (Array.isArray(value)) yield [path, value.length === 0 ? 'none' : value.join(', ')];
    else if (typeof value !== 'object' || value === null) yield [path, String(value)];
    else if ('path' in value) yield [path, `{ path: '${String(value.path)}' }`];
    else yield* leavesOf(value, `${path}.`);
  }
}

type ErrorClass = (new (argument: never) => { getStatus(): number }) & { code: string };

function errorsOf(exported: object, base: { readonly prototype: object }): [string, string][] {
  const errors = Object.values(exported).filter(
    (value): value is ErrorClass =>
      typeof value === 'function' &&
      Object.prototype.isPrototypeOf.call(base.prototype, value.prototype) &&
      'code' in value,
  );
  return errors.map(error => [error.code, String(new error([] as never).getStatus())]);
}

/** What Nest's decorators say of a controller. */
function routesOf(controller: Type): string[] {
  const base = Reflect.getMetadata(PATH_METADATA, controller) as string;
  const handlers = Object.values(Object.getOwnPropertyDescriptors(controller.prototype)).map(
    ({ value }) => value as object,
  );
  return handlers
    .filter(handler => Reflect.hasMetadata(METHOD_METADATA, handler))
    .map(handler => {
      const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod];
      const path = Reflect.getMetadata(PATH_METADATA, handler) as string;
      return `${method} /${base}${path === '/' ? '' : `/${path}`}`;
    });
}
