import { createRequire } from 'node:module';
import { createPool } from '../support/postgres.mjs';

const supertokens = createRequire(import.meta.url)('supertokens-node-postgres-ref-jwt');

export const SUPERTOKENS = 'SuperTokens';

/** `supertokens-node-postgres-ref-jwt` 4: keys cached, which is its default, and blacklisting off. One per process. */
export async function startSupertokens(url) {
  const pool = createPool(url);
  await supertokens.init(
    {
      postgres: { config: { user: 'postgres', database: new URL(url).pathname.slice(1) } },
      tokens: {
        enableAntiCsrf: false,
        accessToken: { blacklisting: false },
        refreshToken: { renewTokenPath: '/refresh' },
      },
      cookie: { domain: 'example.com' },
    },
    pool,
  );
  return { supertokens, pool };
}
