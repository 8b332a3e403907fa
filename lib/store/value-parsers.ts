import type { CustomTypesConfig } from 'pg';

const asText = (text: string): unknown => text;

/** By the type's OID (PostgreSQL's catalogue `pg_type`): the types that the statements of this folder return. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: text => text === 't', // boolean
  17: parseBytes, // bytea
  21: Number, // smallint
  23: Number, // integer
  700: Number, // real
  701: Number, // double precision
  114: text => JSON.parse(text), // json
  3802: text => JSON.parse(text), // jsonb
};

/**
 * How the driver reads the results of the module's statements. The parsers of the driver are global, and an application
 * may replace them by `pg.types.setTypeParser`. Other types, such as bigint and uuid, stay text.
 */
export const VALUE_PARSERS = {
  getTypeParser: (oid: number) => PARSERS[oid] ?? asText,
} as CustomTypesConfig;

/** The server's `bytea_output` is `hex` or `escape`. */
function parseBytes(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const bytes = text.replaceAll(/\\(\\|[0-7]{3})/g, (_, escaped: string) =>
    escaped === '\\' ? '\\' : String.fromCharCode(parseInt(escaped, 8)),
  );
  return Buffer.from(bytes, 'latin1');
}
