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
