import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { minify } from '@swc/core';
import ts from 'typescript';
import { BUILT_PACKAGE } from '../support/built-package.js';

const built = `${BUILT_PACKAGE}dist/client/`;
const sources = `${BUILT_PACKAGE}lib/client/`;

const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  target: ts.ScriptTarget.ES2023,
  strict: true,
  noEmit: true,
  // The declarations of the package are checked, those of the language are not.
  skipDefaultLibCheck: true,
};
const BROWSER = { lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], types: [] };
const NODE = { lib: ['lib.es2023.d.ts'], types: ['node'] };
const NEITHER = { lib: ['lib.es2023.d.ts'], types: [] };

// Libraries are parsed once for all programs.
const parsed = new Map<string, ts.SourceFile | undefined>();

function complaints(files: string[], options: ts.CompilerOptions, sourceText = ''): string[] {
  const consumer = `${BUILT_PACKAGE}consumer-client.ts`;
  const compilerOptions = { ...OPTIONS, ...options };
  const host = ts.createCompilerHost(compilerOptions);
  const { getSourceFile, fileExists } = host;
  host.fileExists = name => name === consumer || fileExists.call(host, name);
  host.getSourceFile = (name, target, ...rest) => {
    if (name === consumer) return ts.createSourceFile(name, sourceText, target);
    if (!parsed.has(name)) parsed.set(name, getSourceFile.call(host, name, target, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram(sourceText ? [...files, consumer] : files, compilerOptions, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

const CONSUMER = `
  import { createSessionFetch, type SessionTokens } from 'nestjs-jwt-session/client';
  let kept: SessionTokens | undefined;
  export const session = createSessionFetch({
    baseUrl: 'https://api.example.com',
    storage: { load: () => kept, save: tokens => void (kept = tokens), clear: async () => void (kept = undefined) },
    onSessionEnd: end => void (end.reason === 'token_theft_detected' && end.class),
  });
  export const end: Promise<void> = session.logOut();
`;
const USES_FETCH = `
  export const plain: typeof fetch = session;
  export const name = async () => ((await (await session('/me', { method: 'GET' })).json()) as { userId: string }).userId;
  createSessionFetch({ baseUrl: '/', fetch });
`;
const IN_PAGE = `
  createSessionFetch({ baseUrl: '/', environment: { locks: navigator.locks, document, location } });
`;

describe('the client as it is published', () => {
  it('is smaller than 3,000 bytes, minified and compressed', async () => {
    const text = readFileSync(`${built}index.js`, 'utf8');
    const { code } = await minify(text, { module: true, compress: true, mangle: true });
    expect(gzipSync(code, { level: 9 }).length).toBeLessThan(3_000);
  });

  it('is one file, which a page can load as it is', () => {
    expect(readFileSync(`${built}index.js`, 'utf8')).not.toMatch(/\bimport\b|\bfrom\s*["']/);
    expect(readFileSync(`${built}index.cjs`, 'utf8')).not.toMatch(/\brequire\b/);
  });

  it('is written for browsers and for Node: its sources compile with the types of each alone', () => {
    const files = readdirSync(sources).map(file => sources + file);
    expect(complaints(files, BROWSER)).toEqual([]);
    expect(complaints(files, NODE)).toEqual([]);
  });

  it.each([
    ['a page', BROWSER, CONSUMER + USES_FETCH + IN_PAGE],
    ['a script in Node', NODE, CONSUMER + USES_FETCH],
    ['something without either', NEITHER, CONSUMER],
  ])('has types that serve %s', (_, options, text) => {
    expect(complaints([], options, text)).toEqual([]);
  });

  it('has types that find mistakes', () => {
    const wrong = (right: string, mistake: string) => complaints([], NEITHER, CONSUMER.replace(right, mistake));
    expect(wrong('load:', 'lode:')).toHaveLength(1);
    expect(wrong("'token_theft_detected'", "'theft'")).toHaveLength(1);
  });

  it('mentions neither Node nor browsers in its types', () => {
    const declarations = readFileSync(`${built}index.d.cts`, 'utf8').replaceAll(/\/\*\*[^]*?\*\//g, '');
    expect(declarations).toContain('createSessionFetch');
    expect(declarations).not.toMatch(/reference|NodeJS|\b(Response|Request|AbortSignal|Headers)\b/);
  });
});
