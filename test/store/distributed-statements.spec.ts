import { describe, expect, it } from '@jest/globals';
import type { Statement } from '../../lib/common/statement.js';
import { buildCleanUpStatements } from '../../lib/store/clean-up.statements.js';
import { buildEndStatements } from '../../lib/store/end.statements.js';
import { buildImpersonationStatements } from '../../lib/store/impersonation.statements.js';
import { buildKeyBindingStatements } from '../../lib/store/key-binding.statements.js';
import { buildKeyStatements } from '../../lib/store/key.statements.js';
import { buildKnownDeviceStatements } from '../../lib/store/known-device.statements.js';
import { buildPersonalDataStatements } from '../../lib/store/personal-data.store.js';
import { buildRevocationStatements } from '../../lib/store/revocation.statements.js';
import { buildRotationStatements } from '../../lib/store/rotation.statements.js';
import { buildSessionStatements } from '../../lib/store/session.statements.js';

const TABLES = {
  session: 'jwt_session',
  userAuth: 'jwt_session_user_auth',
  device: 'jwt_session_device',
  signingKey: 'jwt_session_key',
};

const SETTINGS = {
  leeway: 30_000,
  idleLifetime: 60_000,
  absoluteLifetime: 90_000,
  isIpBound: true,
  userAgent: { isStored: true, isBound: false },
  reportsForks: false,
};

/** Statements that are never sent where the tables are distributed. */
const SHARED = 'requests share no statement';
const UNUSED: Record<string, string> = {
  createSeveral: SHARED,
  endSeveral: SHARED,
  endOfUsers: SHARED,
  rotateSeveral: SHARED,
  proveSeveral: SHARED,
  createOnDevice: 'devices.recognise is refused',
  createWithinOnDevice: 'devices.recognise is refused',
  impersonate: 'actor and user may be on different machines',
  endImpersonation: 'there are no impersonations',
};

/** Statements about the rows of no bucket, or of all. */
const OF_ALL: Record<string, string> = {
  load: 'keys are in a reference table',
  elect: 'keys are in a reference table',
  distrust: 'keys are in a reference table',
  countRetired: 'keys are in a reference table',
  removeRetired: 'keys are in a reference table',
  count: 'the clean-up reads all machines',
  remove: 'the clean-up reads all machines',
  poll: 'the poll reads all machines',
  'device count': 'the clean-up reads all machines',
  'device remove': 'the clean-up reads all machines',
  limitIdle: 'sets the transaction up',
};

function build(distributed: boolean): Record<string, Statement> {
  const tables = { ...TABLES, notifies: !distributed, distributed };
  return {
    ...buildSessionStatements(tables, SETTINGS),
    ...buildEndStatements(tables),
    ...buildRotationStatements(tables, SETTINGS),
    ...buildKeyBindingStatements(tables, SETTINGS),
    ...buildImpersonationStatements(tables, SETTINGS),
    ...buildRevocationStatements(tables),
    ...buildPersonalDataStatements(tables),
    ...buildCleanUpStatements(tables),
    ...buildKeyStatements(tables),
    ...Object.fromEntries(
      Object.entries(buildKnownDeviceStatements(tables)).map(([name, of]) => [`device ${name}`, of]),
    ),
  };
}

/** The occurrences of the tables that are distributed, each with the text up to the next one. */
function usesOf(text: string): string[] {
  return text.split(/(?=\b(?:FROM|JOIN|UPDATE|INTO) jwt_session(?:_user_auth|_device)? )/).slice(1);
}

describe('statements where the tables are distributed', () => {
  const statements = Object.entries(build(true)).filter(([name]) => !(name in UNUSED));
  const ofBucket = statements.filter(([name]) => !(name in OF_ALL));

  it('what is left out is a statement, and has a reason', () => {
    const names = Object.keys(build(true));
    expect([...Object.keys(UNUSED), ...Object.keys(OF_ALL)].filter(name => !names.includes(name))).toEqual([]);
    expect(ofBucket.length).toBeGreaterThan(25);
  });

  it.each(ofBucket)('%s names the bucket wherever it names such a table', (_, { text }) => {
    const uses = usesOf(text);
    expect(uses.length).toBeGreaterThan(0);
    for (const use of uses) expect(use).toMatch(/\bbucket\b/);
  });

  it.each(ofBucket)('%s has one bucket, a parameter', (name, { text, parameters }) => {
    // The replaced session may be another user's.
    const number = parameters.indexOf(name === 'replace' ? 'replacedBucket' : 'bucket') + 1;
    expect(number).toBeGreaterThan(0);
    const own = new RegExp(`^\\(?\\$${number}(?!\\d)`);
    for (const [, value] of text.matchAll(/\bbucket = (\S+)/g)) {
      // The other side is of the same user.
      if (!value!.startsWith('s.bucket')) expect(value).toMatch(own);
    }
  });

  /** The SET lists and RETURNING lists of UPDATEs, without subqueries. */
  const updatesOf = (text: string) => text.split(/\bUPDATE jwt_session s SET /).slice(1);
  const withoutSubqueries = (text: string) => {
    let kept = '';
    for (let at = 0; at < text.length; at++) {
      if (!text.startsWith('(SELECT', at)) {
        kept += text[at];
        continue;
      }
      for (let depth = 0; at < text.length; at++) {
        if (text[at] === '(') depth++;
        if (text[at] === ')' && --depth === 0) break;
      }
    }
    return kept;
  };

  it.each(statements)('%s has no volatile function in SET, no function of time in CASE or RETURNING', (_, { text }) => {
    for (const update of updatesOf(text)) {
      const [set] = withoutSubqueries(update).split(/\bWHERE\b/);
      expect(set).not.toContain('clock_timestamp()');
      for (const [inCase] of set!.matchAll(/\bCASE\b.*?\bEND\b/gs))
        expect(inCase).not.toMatch(/now\(\)|clock_timestamp/);
      expect(set).not.toMatch(/now\(\) \+ s\./);
    }
    for (const [, returning] of text.matchAll(/\bRETURNING\b([^)]*(?:\([^)]*\)[^)]*)*)/g)) {
      expect(returning).not.toMatch(/(?<!clock\.)\bnow\(\)|extract\(epoch FROM [a-z]/);
    }
  });

  it.each(statements)('%s asks no volatile function in the condition of a change', (_, { text }) => {
    for (const update of updatesOf(text)) {
      const [condition] = withoutSubqueries(update.split(/\bRETURNING\b/)[0]!)
        .split(/\bWHERE\b/)
        .slice(1);
      expect(condition ?? '').not.toMatch(/clock_timestamp\(\)(?! AS)/);
    }
    expect(text).not.toMatch(/DO UPDATE SET[^)]*clock_timestamp/);
  });

  it('a new row comes from VALUES without a subquery', () => {
    const { create } = build(true);
    expect(create!.text).toMatch(/VALUES \(/);
    expect(create!.text).not.toMatch(/\(SELECT/);
  });

  it.each(Object.entries(build(true)).filter(([name]) => !(name in UNUSED)))(
    '%s sends no notification',
    (_, { text }) => {
      expect(text).not.toContain('pg_notify');
    },
  );
});
