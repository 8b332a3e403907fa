declare module 'connect-pg-simple' {
  import type { Store } from 'express-session';
  import type session from 'express-session';
  import type { Pool } from 'pg';

  interface StoreOptions {
    pool: Pool;
    createTableIfMissing?: boolean;
    pruneSessionInterval?: number | false;
  }
  export default function connect(library: typeof session): new (options: StoreOptions) => Store;
}
