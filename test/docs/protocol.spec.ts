import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { statement } from '../../lib/common/statement.js';
import { ROTATION_CASES } from '../../lib/rules/rotation.js';
import { buildRotationStatements } from '../../lib/store/rotation.statements.js';
import { announceSessions } from '../../lib/store/sql-fragments.js';
import { tableOf } from './pages.js';

const PAGE = 'docs/protocol.md';
const TABLES = {
  session: 'jwt_session',
  userAuth: 'jwt_session_user_auth',
  signingKey: 'jwt_session_key',
  notifies: true,
};

/** The defaults of the options. */
const SETTINGS = {
  leeway: 30_000,
  idleLifetime: 2_592_000_000,
  isIpBound: false,
  isUserAgentBound: false,
  reportsForks: false,
};

const oneLine = (sql: string) => sql.replaceAll(/\s+/g, ' ').trim();

describe('docs/protocol.md', () => {
  const [refresh, announcement] = [...readFileSync(PAGE, 'utf8').matchAll(/```sql\n(.*?)```/gs)].map(
    match => match[1]!,
  );

  it('PROTOCOL: has every case of a refresh', () => {
    expect(tableOf(PAGE, 'case', 'condition').map(([name]) => name)).toEqual(Object.keys(ROTATION_CASES));
  });

  it('PROTOCOL: shows the refresh statement as it is', () => {
    const { text } = statement('documented', refresh!);
    expect(oneLine(text)).toBe(oneLine(buildRotationStatements(TABLES, SETTINGS).rotate.text));
  });

  it('PROTOCOL: shows the notification as it is', () => {
    expect(oneLine(announcement!)).toBe(oneLine(announceSessions(TABLES)));
  });
});
