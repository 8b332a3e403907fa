import { judge, TARGETS } from '../targets.mjs';

const HEADER = ['measure', 'contestant', 'result', '±', 'CPU', 'p50', 'p99', 'statements', 'target', 'reached', 'met?'];

/**
 * The results as a Markdown table, with the targets beside what they are set for.
 *
 * @param {import('./result.mjs').Result[]} results
 */
export function tableOf(results) {
  return tableFrom([HEADER, ...results.flatMap(result => linesOf(result, results))]);
}

/**
 * What was reached of what is aimed at, and nothing else.
 *
 * @param {import('./result.mjs').Result[]} results
 */
export function summaryOf(results) {
  const rows = TARGETS.map(target => ({ target, judgement: judge(target, results) }))
    .filter(({ judgement }) => judgement !== undefined)
    .map(({ target: { measure, contestant }, judgement: { target, reached, met } }) => [
      contestant === undefined ? measure : `${measure}, ${contestant.split(', ').at(-1)}`,
      target,
      reached,
      met,
    ]);
  return tableFrom([['measure', 'target', 'reached', 'met?'], ...rows]);
}

const COMPARED = ['this library', 'Passport JWT', 'SuperTokens', 'better-auth', 'express-session'];

const COMPARISON = [
  ['guarded requests per second, Fastify', 'guarded route, fastify', 'value'],
  ['to accept a known access token', 'warm token', 'value'],
  ['logins per second, 32 callers', 'logIn, 32 callers', 'value'],
  ['refreshes per second, 32 callers', 'refresh, 32 callers', 'value'],
  ['statements per refresh', 'refresh, 1 caller', 'statements'],
  ['log-outs of all sessions of a user per second', 'logOutAll, 1 caller', 'value'],
];

/**
 * The README's table: this library beside what its users would otherwise choose.
 *
 * @param {import('./result.mjs').Result[]} results
 */
export function comparisonOf(results) {
  const rows = COMPARISON.map(([name, measure, quantity]) => [
    name,
    ...COMPARED.map(column => {
      const named = results.filter(one => one.measure === measure && isIn(column, one.contestant));
      const result = named.find(({ contestant }) => contestant.toLowerCase() === column.toLowerCase()) ?? named.at(-1);
      if (result?.[quantity] === undefined) return '';
      const unit = result.unit === 'µs' && quantity === 'value' ? ' µs' : '';
      return `${short(result[quantity])}${unit}`;
    }),
  ]).filter(([, own]) => own !== '');
  return tableFrom([['measured', ...COMPARED], ...rows]);
}

/** The guard of this library comes after `SessionService.verify`, and is what is compared. */
function isIn(column, contestant) {
  return contestant.toLowerCase().startsWith(column.toLowerCase().replace(' jwt', '-jwt'));
}

function tableFrom(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
  const line = row => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const [header, ...others] = rows.map(line);
  return [header, `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...others].join('\n');
}

/** One line, and one more for each further target. */
function linesOf(result, results) {
  const judged = TARGETS.filter(target => isSetFor(target, result))
    .map(target => judge(target, results))
    .filter(judgement => judgement !== undefined)
    .map(({ target, reached, met }) => [target, reached, met]);
  const [first = ['', '', ''], ...others] = judged;
  const blank = Array(HEADER.length - 3).fill('');
  return [[...cellsOf(result), ...first], ...others.map(other => [...blank, ...other])];
}

function isSetFor({ measure, contestant = 'this library' }, result) {
  return measure === result.measure && contestant === result.contestant;
}

function cellsOf({ measure, contestant, unit, value, spread, cpu, p50, p99, statements }) {
  return [
    measure,
    contestant,
    `${short(value)} ${unit}`,
    spread === undefined ? '' : `${(spread * 100).toFixed(0)} %`,
    ...[cpu, p50, p99].map(time => (time === undefined ? '' : `${short(time)} µs`)),
    statements === undefined ? '' : String(Number(statements.toFixed(1))),
  ];
}

/** Three digits that count. */
function short(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}
