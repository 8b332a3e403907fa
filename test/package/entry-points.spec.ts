import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { BUILT_PACKAGE } from '../support/built-package.js';

type Target = { types: string; default: string };
type Exports = Record<string, Record<'module-sync' | 'import' | 'require', Target>>;

const manifest = JSON.parse(readFileSync(`${BUILT_PACKAGE}package.json`, 'utf8')) as {
  exports: Exports;
  typesVersions: object;
};
const entries = Object.entries(manifest.exports).filter(([name]) => name !== './package.json');

/** Evaluates an expression in a Node of its own, without Jest's way of finding modules. */
function evaluate(script: string): unknown {
  const output = execFileSync(process.execPath, ['--input-type=commonjs', '--eval', script], {
    cwd: BUILT_PACKAGE,
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

describe('the entry points', () => {
  it('offer the same in both formats, and one class to an application that imports and requires', () => {
    const found = evaluate(`
      const isRenamed = (value, name) =>
        typeof value === 'function' && value.toString().startsWith('class') && value.name !== name;
      (async () => {
        const found = {};
        for (const [name, { import: esm, require: cjs }] of ${JSON.stringify(entries)}) {
          const path = name.replace('.', 'nestjs-jwt-session');
          const [imported, file, commonjs] = [await import(path), await import(esm.default), require(cjs.default)];
          const names = Object.keys(imported).toSorted();
          found[name] = {
            names,
            inCommonJs: Object.keys(commonjs).toSorted(),
            isOne: names.every(each => imported[each] === require(path)[each] && imported[each] === file[each]),
            renamed: names.filter(each => isRenamed(imported[each], each)),
            renamedInCommonJs: names.filter(each => isRenamed(commonjs[each], each)),
          };
        }
        console.log(JSON.stringify(found));
      })();
    `) as Record<string, { names: string[]; inCommonJs: string[]; isOne: boolean; renamed: []; renamedInCommonJs: [] }>;
    expect(Object.keys(found)).toEqual(entries.map(([name]) => name));
    for (const { names, inCommonJs, isOne, renamed, renamedInCommonJs } of Object.values(found)) {
      expect(names.length).toBeGreaterThan(0);
      expect(inCommonJs).toEqual(names);
      expect({ isOne, renamed, renamedInCommonJs }).toEqual({ isOne: true, renamed: [], renamedInCommonJs: [] });
    }
  });

  it('share their classes within the CommonJS build, too', () => {
    const same = evaluate(`
      const [main, verifier, accounts, testing] = ['.', './verifier', './accounts', './testing']
        .map(name => require(${JSON.stringify(manifest.exports)}[name].require.default));
      console.log(JSON.stringify([
        main.SessionGuard === verifier.SessionGuard,
        main.UserSession === verifier.UserSession,
        accounts.AccountRecentLoginGuard.prototype instanceof main.SessionGuard,
        typeof testing.signInAs,
      ]));
    `);
    expect(same).toEqual([true, true, true, 'function']);
  });

  it('need in CommonJS nothing that is only there as an ES module', () => {
    const loaded = evaluate(`
      const { Module } = require('node:module');
      const packages = new Set();
      const load = Module._load;
      Module._load = function (name, ...rest) {
        if (/^[^.\\/]/.test(name) && !rest[0]?.filename.includes('node_modules')) packages.add(name);
        return load.call(this, name, ...rest);
      };
      for (const [, { require: { default: file } }] of ${JSON.stringify(entries)}) require(file);
      console.log(JSON.stringify([...packages].toSorted()));
    `);
    expect(loaded).toEqual(expect.arrayContaining(['@nestjs/common', 'class-validator', 'typeorm']));
    expect(loaded).not.toEqual(expect.arrayContaining(['jose']));
  });

  it('have types for those who resolve as Node 10 did', () => {
    const expected = entries.slice(1).map(([name, { require: target }]) => [name.slice(2), [target.types]]);
    expect(manifest.typesVersions).toEqual({ '*': Object.fromEntries(expected) });
  });
});
