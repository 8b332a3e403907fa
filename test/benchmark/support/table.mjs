import { judge, TARGETS } from '../targets.mjs';
import { LIBRARY } from './result.mjs';

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

const COMPARISON = [
  ['guarded requests per second, Fastify', 'guarded route, fastify', 'value', LIBRARY],
  ['to accept a known access token', 'warm token', 'value', `${LIBRARY}, SessionService.verify`],
  ['logins per second, 32 callers', 'logIn, 32 callers', 'value', LIBRARY],
  ['refreshes per second, 32 callers', 'refresh, 32 callers', 'value', LIBRARY],
  ['statements per refresh', 'refresh, 1 caller', 'statements', LIBRARY],
  ['log-outs of all sessions of a user per second', 'logOutAll, 1 caller', 'value', LIBRARY],
];

/**
 * The README's table: this library beside the best of the others.
 *
 * @param {import('./result.mjs').Result[]} results
 */
export function comparisonOf(results) {
  const rows = COMPARISON.flatMap(([name, measure, quantity, contestant]) => {
    const own = results.find(one => one.measure === measure && one.contestant === contestant);
    const others = results.filter(one => one.measure === measure && !/^(limit|this library)\b/.test(one.contestant));
    if (!own || others.length === 0) return [];
    const isBetter = own.unit === 'µs' || quantity === 'statements' ? (a, b) => a < b : (a, b) => a > b;
    const best = others.reduce((one, other) => (isBetter(other[quantity], one[quantity]) ? other : one));
    const unit = own.unit === 'µs' ? ' µs' : '';
    const cell = result => `${short(result[quantity])}${unit}`;
    return [[name, cell(own), `${cell(best)} (${best.contestant.replace(/,? (with|connect).*/, '')})`]];
  });
  return tableFrom([['measured', 'this library', 'the best other'], ...rows]);
}

export function tableFrom(rows) {
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
