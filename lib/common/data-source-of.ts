import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

/** The data source of a query runner or an entity manager. In TypeORM 0.3 the property is named `connection`. */
export function dataSourceOf(owner: QueryRunner | EntityManager): DataSource {
  const { dataSource, connection } = owner as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection)!;
}
