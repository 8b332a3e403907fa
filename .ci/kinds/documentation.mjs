import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(dirname(import.meta.dirname));

/** The code under a heading of a page, as a newcomer copies it. */
export function codeUnder(page, heading) {
  const text = readFileSync(join(root, page), 'utf8');
  const section = text.split(/^(?=## )/m).find(part => part.startsWith(`## ${heading}\n`));
  const block = /^```ts\n([^]*?)^```$/m.exec(section ?? '')?.[1];
  if (!block) throw new Error(`${page} has no code under "${heading}"`);
  return block;
}
