import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Reads the files of a folder that a browser may have. They are looked up by name and never by path, so that no request
 * can climb out of the folder.
 */
export function readAssets(folder: URL): ReadonlyMap<string, Asset> {
  const names = readdirSync(folder).filter(name => extname(name) in TYPES);
  return new Map(
    names.map(name => [name, { type: TYPES[extname(name)]!, content: readFileSync(new URL(name, folder)) }]),
  );
}

/** The sample's own pages, beside `dist`. */
export const pageFolder = new URL('../../public/', import.meta.url);

/** The library's browser client, as the package ships it. */
export const clientFolder = new URL('client/', import.meta.resolve('nestjs-jwt-session'));
