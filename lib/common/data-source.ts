import type { Provider } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { SessionOptionsError } from './option-mistakes.js';

/** Provides the application's data source of that name, or the one without a name. */
export function dataSourceProvider(provide: symbol, moduleName: string, name: string | undefined): Provider {
  const mistake =
    name === undefined
      ? 'there is no TypeORM data source: import TypeOrmModule.forRoot({ type: \'postgres\', … }), or write the name of yours as option "dataSource"'
      : `option "dataSource": there is no TypeORM data source "${name}": write name: '${name}' in the TypeOrmModule.forRoot of yours`;
  return {
    provide,
    inject: [{ token: getDataSourceToken(name), optional: true }],
    useFactory: (dataSource?: DataSource): DataSource => {
      if (!dataSource) throw new SessionOptionsError([mistake], moduleName);
      return dataSource;
    },
  };
}
