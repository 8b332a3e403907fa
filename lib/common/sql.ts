import type { EntityMetadata } from 'typeorm';

/** A table's name as SQL writes it, with the data source's `schema` and `entityPrefix`. */
export function tableName(metadata: EntityMetadata): string {
  return [metadata.schema, metadata.tableName]
    .filter(part => part !== undefined)
    .map(part => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}

/** A time in milliseconds since the epoch. It is a number, so type parsers for dates do not apply to it. */
export function milliseconds(expression: string): string {
  return `floor(extract(epoch FROM ${expression}) * 1000)::float8`;
}

/** A number of milliseconds as an interval. */
export function interval(expression: string): string {
  return `(${expression}::float8 * interval '1 millisecond')`;
}
