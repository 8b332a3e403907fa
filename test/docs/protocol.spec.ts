import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { statement } from '../../lib/common/statement.js';
import { ROTATION_CASES } from '../../lib/rules/rotation.js';
import { buildRotationStatements } from '../../lib/store/rotation.statements.js';
import { announceSessions } from '../../lib/store/sql-fragments.js';
import { CASE_LETTERS } from '../../lib/store/rotation-cases.js';
import { proseOf, tableOf } from './pages.js';

const PAGE = 'docs/protocol.md';
const TABLES = {
  session: 'jwt_session',
  userAuth: 'jwt_session_user_auth',
  signingKey: 'jwt_session_key',
  device: 'jwt_session_device',
  notifies: true,
  distributed: false,
};

/** The defaults of the options. */
const SETTINGS = {
  leeway: 30_000,
  idleLifetime: 2_592_000_000,
  isIpBound: false,
  userAgent: { isStored: true, isBound: false },
  reportsForks: false,
};

const oneLine = (sql: string) => sql.replaceAll(/\s+/g, ' ').trim();

describe('docs/protocol.md', () => {
  const [refresh, announcement] = [...readFileSync(PAGE, 'utf8').matchAll(/```sql\n(.*?)```/gs)].map(
    match => match[1]!,
  );

  it('PROTOCOL: has every case of a refresh', () => {
    const rows = tableOf(PAGE, 'case', 'letter');
    expect(rows.map(([name]) => name)).toEqual(Object.keys(ROTATION_CASES));
    const { 'confirmed-by-use': ofUse, 'first-proof': ofFirstProof, ...letters } = CASE_LETTERS;
    const documented = rows.flatMap(([name, letter]) => (letter === '' ? [] : [[name, letter]]));
    expect(Object.fromEntries(documented)).toEqual(letters);
    expect(new Set(Object.values(CASE_LETTERS)).size).toBe(Object.keys(CASE_LETTERS).length);
    expect(proseOf(PAGE)).toContain(`\`confirmed-by-use\` (letter \`${ofUse}\`)`);
    expect(proseOf(PAGE)).toContain(`with the letter \`${ofFirstProof}\``);
  });

  it('PROTOCOL: each case has a letter of its own', () => {
    const letters = Object.values(CASE_LETTERS);
    expect([...new Set<string>(letters)]).toEqual(letters);
  });

  it('PROTOCOL: shows the refresh statement as it is', () => {
    const { text } = statement('documented', refresh!);
    expect(oneLine(text)).toBe(oneLine(buildRotationStatements(TABLES, SETTINGS).rotate.text));
  });

  it('PROTOCOL: shows the notification as it is', () => {
    expect(oneLine(announcement!)).toBe(oneLine(announceSessions(TABLES)));
  });
});
