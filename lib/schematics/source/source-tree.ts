import type { Tree } from '@angular-devkit/schematics';

/** The application's files in the schematic's tree. Paths are relative to the application's folder. */
export type SourceTree = Pick<Tree, 'exists' | 'readText' | 'create' | 'overwrite' | 'delete' | 'getDir'>;

/** @returns the paths of all TypeScript sources in a folder, without tests and declarations */
export function sourcesIn(tree: SourceTree, folder: string): string[] {
  const { subdirs, subfiles } = tree.getDir(folder);
  const files = subfiles.filter(name => name.endsWith('.ts') && !/[.-](d|spec|test)\.ts$/.test(name));
  const folders = subdirs.filter(name => name !== 'node_modules' && name !== 'dist');
  return [...files.map(name => `${folder}/${name}`), ...folders.flatMap(name => sourcesIn(tree, `${folder}/${name}`))];
}

/** Creates or overwrites a file. A file with the same text is left alone. */
export function write(tree: SourceTree, path: string, text: string): void {
  if (!tree.exists(path)) tree.create(path, text);
  else if (tree.readText(path) !== text) tree.overwrite(path, text);
}
