import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { type Instrument, INSTRUMENTS } from '../../lib/telemetry/instruments.js';
import { ROTATION_CASES } from '../../lib/rules/rotation.js';
import { AccountApp } from '../accounts/account-app.js';
import { Declarations } from '../docs/declarations.js';
import { tableOf } from '../docs/pages.js';
import { DpopClient } from '../support/dpop-client.js';
import { me } from '../support/revocation.js';
import { TelemetrySdk } from '../support/telemetry-sdk.js';
import { steal } from '../support/thefts.js';

const OPERATING = 'docs/operating.md';
const DASHBOARD = 'docs/grafana-dashboard.json';

/** What a query asks for: names of metrics, which may be patterns, and labels with the values that they are compared with. */
interface Query {
  readonly metrics: RegExp[];
  readonly labels: [label: string, value?: string][];
}

/** Added by Prometheus, or by the exporter to histograms. */
const OWN_LABELS = ['job', 'instance', 'le'];

function parse(query: string): Query {
  const matchers = [...query.matchAll(/(\w+)\s*(=~|!=|=)\s*"([^"]*)"/g)].map(([, label, , value]) => [label!, value!]);
  const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
  const names = query
    .replaceAll(/\{[^}]*\}|\bby \([^)]*\)/g, '')
    .matchAll(/\b(?:jwt_session|jwt_account|db_client)_\w+/g);
  const patterns = matchers.filter(([label]) => label === '__name__').map(([, value]) => value!);
  return {
    metrics: [...[...names].map(([name]) => name), ...patterns].map(name => new RegExp(`^(?:${name})$`)),
    labels: [
      ...matchers.filter(([label]) => label !== '__name__').map(([label, value]): [string, string] => [label!, value!]),
      ...grouped.map((label): [string] => [label]),
    ],
  };
}

/** The values of labels that are declared in the code. */
const VALUES: Record<string, readonly string[]> = {
  error_type: ['', ...new Declarations('lib/session.errors.ts').wordsOf('SessionErrorCode')],
  jwt_session_case: Object.keys(ROTATION_CASES),
  jwt_session_class: [...new Declarations('lib/rules/theft.ts').wordsOf('TheftClass')],
  jwt_session_source: ['local', 'remote'],
  jwt_session_operation: ['refresh'],
  jwt_account_outcome: ['sent', 'delayed', 'failed'],
  otel_scope_name: ['nestjs-jwt-session'],
};

describe('F33: what Prometheus reads', () => {
  let sdk: TelemetrySdk;
  let app: AccountApp;
  /** The labels of each metric. */
  const scraped = new Map<string, Set<string>>();
  beforeAll(async () => {
    sdk = await TelemetrySdk.start();
    app = await AccountApp.start({
      session: { telemetry: true, claims: undefined, binding: { key: 'prefer' }, transport: 'both' },
      accounts: { telemetry: true, attempts: { logIn: { perAccount: 1 } } },
    });
    await everythingHappens();
    for (const [, name, labels] of (await sdk.scrape()).matchAll(/^([a-z]\w*)(?:\{(.*)\})? \S+$/gm)) {
      const known = scraped.get(name!) ?? new Set();
      for (const [, label] of (labels ?? '').matchAll(/(\w+)="[^"]*"/g)) known.add(label!);
      scraped.set(name!, known);
    }
  });
  afterAll(async () => {
    await app?.close();
    await sdk?.stop();
  });

  async function everythingHappens(): Promise<void> {
    const { sessions, url } = app.test;
    await (await DpopClient.of(url)).logIn('ada');
    const { session, accessToken } = await sessions.logIn('ada');
    await sessions.impersonate(session, 'grace');
    await sessions.logOut(session.id);
    await me(app.test, accessToken!);
    await steal(app.test, 'stale').then(({ thief }) => thief.refresh());
    await expect(sessions.setData(session.id, {})).rejects.toThrow('was ended');
    await app.verified('ada@garden.example');
    await app.loggedIn('ada@garden.example');
    for (let count = 0; count < 3; count++) {
      await app.post('login', { email: 'ada@garden.example', password: 'a wrong one' });
    }
    await app.test.database.query('ALTER TABLE jwt_session RENAME TO jwt_session_away');
    await expect(sessions.logIn('ada')).rejects.toThrow('does not exist');
    await app.test.database.query('ALTER TABLE jwt_session_away RENAME TO jwt_session');
  }

  /** What Prometheus calls an instrument. */
  function nameOf(name: string, { kind }: Instrument): string {
    const plain = name.replaceAll('.', '_');
    if (kind === 'histogram') return `${plain}_bucket`;
    return kind === 'gauge' ? plain : `${plain}_total`;
  }

  /** What is wrong with a query. */
  function mistakesIn(query: string): string[] {
    const { metrics, labels } = parse(query);
    const found = [...scraped].filter(([name]) => metrics.some(pattern => pattern.test(name)));
    const known = new Set([...OWN_LABELS, ...found.flatMap(([, names]) => [...names])]);
    return [
      ...metrics.filter(pattern => ![...scraped.keys()].some(name => pattern.test(name))).map(String),
      ...(metrics.length === 0 ? ['no metric'] : []),
      ...labels.filter(([label]) => !known.has(label)).map(([label]) => label),
      ...labels
        .filter(([, value]) => value !== undefined && !value.startsWith('$'))
        .filter(([label, value]) => !VALUES[label]?.includes(value!))
        .map(([label, value]) => `${label}="${value}"`),
    ];
  }

  it.each(Object.entries(INSTRUMENTS))('%s is there, with its attributes as labels', (name, instrument: Instrument) => {
    const labels = scraped.get(nameOf(name, instrument))!;
    expect([...labels]).toEqual(
      expect.arrayContaining(instrument.attributes.map(attribute => attribute.replaceAll('.', '_'))),
    );
  });

  it('the documentation has each instrument as it is', () => {
    const rows = tableOf(OPERATING, 'metric', 'kind');
    expect(rows).toEqual(
      Object.entries(INSTRUMENTS).map(([name, { kind, unit, description, attributes }]: [string, Instrument]) => [
        name,
        kind,
        unit,
        description,
        attributes.join(', '),
      ]),
    );
  });

  const alarms = tableOf(OPERATING, 'what you see', 'query')
    .map(([, query]) => query!)
    .filter(query => query !== '–');

  it.each(alarms)('the alarm %s asks for what is there', query => {
    expect(mistakesIn(query)).toEqual([]);
  });

  it('the dashboard asks for what is there, and leaves out no instrument', () => {
    interface Panel {
      readonly targets?: readonly { readonly expr: string }[];
    }
    const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: Panel[] };
    const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.flatMap(query => mistakesIn(query).map(mistake => [query, mistake]))).toEqual([]);
    const asked = queries.flatMap(query => parse(query).metrics);
    const missing = Object.entries(INSTRUMENTS).filter(
      ([name, instrument]) => !asked.some(pattern => pattern.test(nameOf(name, instrument))),
    );
    expect(missing.map(([name]) => name)).toEqual([]);
  });

  it.each([
    'sum(jwt_session_nothing_total)',
    'sum(jwt_session_refusals_total{code="x"})',
    'jwt_session_refusals_total{error_type="x"}',
    'sum by (error_type) (jwt_session_log_ins_total)',
  ])('a mistake would be found: %s', query => {
    expect(mistakesIn(query)).not.toEqual([]);
  });
});
