import { join } from 'node:path';
import type { Prettier } from './application-packages.js';
import { type SourceTree, write } from './source-tree.js';

/**
 * Formats sources as the application's own prettier does. A file that was not formatted before, or has no
 * configuration, is left alone, because all of it would change.
 *
 * @param before what the files contained; undefined for new ones
 * @param folder the application's folder, which has prettier's configuration
 */
export async function format(
  tree: SourceTree,
  prettier: Prettier | undefined,
  before: ReadonlyMap<string, string | undefined>,
  folder: string,
): Promise<void> {
  if (prettier === undefined) return;
  for (const [path, former] of before) {
    const filepath = join(folder, path);
    const configuration = await prettier.resolveConfig(filepath, { editorconfig: true });
    const options = { ...configuration, filepath };
    const isFormatted = former === undefined ? configuration !== null : await prettier.check(former, options);
    if (isFormatted) write(tree, path, await prettier.format(tree.readText(path), options));
  }
}
