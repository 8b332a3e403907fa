import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { textOf } from './pages.js';

const PAGE = 'docs/requirements.md';

/** An id in the name of a test or in a row of its table, such as `R02: …`, `C03, X01: …` or `… (X01)`. */
const ID = /\b(?:[A-Z]\d{2}|F\d|scenario \d+)\b(?=[:,) ])/g;

const idsByFile = new Map(
  readdirSync('test', { recursive: true, encoding: 'utf8' })
    // The benchmark installs others to compare with.
    .filter(file => file.endsWith('.ts') && !file.includes('node_modules'))
    .map(file => join('test', file))
    .map(file => [file, idsIn(file)]),
);

/** Each row: the id, its sentence, its source, and the files that show it. */
const rows = [...textOf(PAGE).matchAll(/^\| (?:`)?([A-Z]\d+|scenario \d+)(?:`)? +\|(.*)\|(.*)\|(.*)\|$/gm)].map(
  ([, id, sentence, source, shown]) => ({
    id: id!,
    sentence: sentence!.trim(),
    source: source!.trim(),
    files: [...shown!.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => normalize(join('docs', target!))),
  }),
);

describe('the page of requirements', () => {
  it('has a row for every id in the name of a test', () => {
    const named = new Set([...idsByFile.values()].flatMap(ids => [...ids]));
    const documented = new Set(rows.map(({ id }) => id));
    expect([...named].filter(id => !documented.has(id))).toEqual([]);
  });

  it('has one row for each id, with a sentence, a source and tests', () => {
    expect(rows.length).toBeGreaterThan(80);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    expect(rows.filter(row => row.sentence === '' || row.source === '' || row.files.length === 0)).toEqual([]);
  });

  it.each(rows)('$id: the tests that the row names carry the id', ({ id, files }) => {
    expect(files.filter(file => !idsByFile.get(file)?.has(id))).toEqual([]);
  });
});

/** The ids in a file, comments left out: names of tests also occur in tables and templates. */
function idsIn(file: string): ReadonlySet<string> {
  const code = readFileSync(file, 'utf8').replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '');
  return new Set(code.match(ID));
}
