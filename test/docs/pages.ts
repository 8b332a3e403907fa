import { readdirSync, readFileSync } from 'node:fs';

/** A block of code and its place. */
export interface CodeBlock {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

export interface Heading {
  readonly text: string;
  /** How a link names it, as GitHub makes it. */
  readonly anchor: string;
}

export interface Link {
  readonly page: string;
  readonly target: string;
}

/** Everything that users read. */
export const PAGES = [
  'README.md',
  ...readdirSync('docs')
    .filter(file => file.endsWith('.md'))
    .map(file => `docs/${file}`),
  'CONTRIBUTING.md',
  'SECURITY.md',
];

const texts = new Map(PAGES.map(page => [page, readFileSync(page, 'utf8')]));

export function textOf(page: string): string {
  const text = texts.get(page);
  if (text === undefined) throw new Error(`${page} is no page of the documentation`);
  return text;
}

/** A fence, in a list item or not, up to the fence that closes it. */
const FENCE = /^( *)```(.*)\n([\s\S]*?)^\1```$/gm;

export const CODE_BLOCKS: readonly CodeBlock[] = PAGES.flatMap(page =>
  [...textOf(page).matchAll(FENCE)].map(({ index, 1: indent, 2: language, 3: text }) => ({
    page,
    line: textOf(page).slice(0, index).split('\n').length,
    language: language!,
    text: text!.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  })),
);

export function nameOf({ page, line }: CodeBlock): string {
  return `${page}:${line}`;
}

/** The block of a language under a heading; there must be one. */
export function blockUnder(page: string, heading: string, language: string): string {
  const [from, to] = sectionOf(page, heading);
  const block = CODE_BLOCKS.find(
    one => one.page === page && one.language === language && one.line > from && one.line < to,
  );
  if (!block) throw new Error(`${page} has no block of ${language} under "${heading}"`);
  return block.text;
}

function sectionOf(page: string, heading: string): [from: number, to: number] {
  const lines = textOf(page).split('\n');
  const from = lines.findIndex(line => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  if (from < 0) throw new Error(`${page} has no heading "${heading}"`);
  const level = /^#+/.exec(lines[from]!)![0].length;
  const next = lines.findIndex((line, index) => index > from && new RegExp(`^#{1,${level}} `).test(line));
  return [from, next < 0 ? lines.length : next];
}

/** Prose: the page without code blocks and comments. */
export function proseOf(page: string): string {
  return textOf(page)
    .replaceAll(FENCE, '')
    .replaceAll(/<!--[\s\S]*?-->/g, '');
}

export function headingsOf(page: string): Heading[] {
  const seen = new Map<string, number>();
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) => {
    const anchor = anchorOf(text!);
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return { text: text!, anchor: before === 0 ? anchor : `${anchor}-${before}` };
  });
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

export const LINKS: readonly Link[] = PAGES.flatMap(page =>
  [...proseOf(page).matchAll(/\]\(([^)\s]+)\)|<img [^>]*src="([^"]+)"/g)].map(([, link, image]) => ({
    page,
    target: (link ?? image)!,
  })),
);

/** The cells of the rows below the header that begins so; back-ticks and escapes are taken off. */
export function tableOf(page: string, ...header: string[]): string[][] {
  const lines = textOf(page).split('\n');
  const rows = lines.slice(lineOfTable(page, header) + 2);
  const end = rows.findIndex(line => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? rows.length : end).map(cellsOf);
}

function lineOfTable(page: string, header: readonly string[]): number {
  const isHeader = (line: string) =>
    line.startsWith('|') && header.every((name, column) => cellsOf(line)[column] === name);
  const found = textOf(page)
    .split('\n')
    .flatMap((line, index) => (isHeader(line) ? [index] : []));
  if (found.length !== 1) throw new Error(`${page} has ${found.length} tables with the header ${header.join(' | ')}`);
  return found[0]!;
}

function cellsOf(line: string): string[] {
  return line
    .replaceAll('\\|', '\u0000')
    .split('|')
    .slice(1, -1)
    .map(cell => cell.trim().replaceAll('\u0000', '|').replaceAll('`', ''));
}
