import { describe, expect, it } from '@jest/globals';
import { ON_PRIMARY, statement, valuesOf } from '../../lib/common/statement.js';

describe('named parameters', () => {
  it('are numbered in the order in which they first appear, and a name has one number', () => {
    const { text, parameters } = statement('any', 'SELECT :one, :two WHERE a = :one AND b = :three');
    expect(text).toBe(`${ON_PRIMARY}SELECT $1, $2 WHERE a = $1 AND b = $3`);
    expect(parameters).toEqual(['one', 'two', 'three']);
  });

  it.each([
    ['a cast', 'SELECT :one::text[], now()::date', 'SELECT $1::text[], now()::date'],
    ['a literal', `SELECT ':no', 'it''s :no', :one`, `SELECT ':no', 'it''s :no', $1`],
    ['a quoted name', 'SELECT "a:no"."b "":no" = :one', 'SELECT "a:no"."b "":no" = $1'],
    ['a number after a colon', 'SELECT a[1:2], :one', 'SELECT a[1:2], $1'],
    ['names that begin alike', 'SELECT :on, :one, :on', 'SELECT $1, $2, $1'],
  ])('are told from %s', (_, named, numbered) => {
    expect(statement('any', named).text).toBe(ON_PRIMARY + numbered);
  });

  it('get their values by name; a value that is undefined, or absent, is NULL for the driver', () => {
    const asked = statement<{ one: number; two?: string; three?: Date }>('any', 'SELECT :two, :one, :three');
    expect(valuesOf(asked, { three: undefined, one: 1 })).toEqual([undefined, 1, undefined]);
  });
});
