import pg from 'pg';

let statements = 0;
const { query } = pg.Client.prototype;

pg.Client.prototype.query = function (...args) {
  statements++;
  return query.apply(this, args);
};

/** How many statements this process has sent, for any caller. */
export function countStatements() {
  return statements;
}
