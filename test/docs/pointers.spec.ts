import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';

const FOLDERS = ['lib', 'test', 'sample', 'docs'];

/** What builds and installations leave in these folders. */
const GENERATED = ['node_modules', 'dist'];

const IS_TEXT = /\.([cm]?[jt]s|md|html|css|py|sql|template)$/;

/** Where a pointer may start, beside the folder of its own file. */
const STARTS = ['.', 'docs', 'lib/schematics/files'];

const files = [
  ...readdirSync('.').filter(name => name.endsWith('.md')),
  ...FOLDERS.flatMap(folder =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name)),
  ),
].filter(path => IS_TEXT.test(path) && !path.split(sep).some(part => GENERATED.includes(part)));

// By name and not by existsSync, which some file systems answer in any case of letters.
const pages = new Set(files.map(path => path.replace(/\.template$/, '')).filter(path => path.endsWith('.md')));

/** The names of Markdown files in a text; addresses of other sites are left out. */
function pointersIn(text: string): string[] {
  return text.replaceAll(/\bhttps?:\/\/\S+/g, '').match(/[\w./-]*\w\.md\b/g) ?? [];
}

function leadsSomewhere(pointer: string, file: string): boolean {
  return [dirname(file), ...STARTS].some(start => pages.has(normalize(join(start, pointer))));
}

describe('pointers to pages, in code and in pages', () => {
  it('lead to a page of this repository', () => {
    const pointers = files.flatMap(file =>
      pointersIn(readFileSync(file, 'utf8')).map(pointer => [file, pointer] as const),
    );
    expect(pointers.length).toBeGreaterThan(100);
    expect(pointers.filter(([file, pointer]) => !leadsSomewhere(pointer, file))).toEqual([]);
  });

  it('name no folder outside the repository', () => {
    expect(files.filter(file => /\bshared\//.test(readFileSync(file, 'utf8')))).toEqual([]);
  });
});
