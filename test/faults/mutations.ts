import type { SessionModuleOptions } from 'nestjs-jwt-session';
import { Revocations } from '../../lib/revocation/revocations.js';
import { PauseDetector } from '../../lib/sessions/pause-detector.js';
import { DatabaseClock } from '../../lib/store/database-clock.js';
import { RotationStore } from '../../lib/store/rotation.store.js';

/** Each switches a protection of the library off in the process that calls it, and may return other options. */
export const MUTATIONS = {
  /** Late requests and late statements are carried out. */
  'no deadline': () => {
    const { deadline } = DatabaseClock.prototype;
    DatabaseClock.prototype.deadline = function (milliseconds) {
      return deadline.call(this, milliseconds + 3_600_000);
    };
    PauseDetector.prototype.mayHaveWaited = () => false;
  },
  /** Two tabs that refresh at the same time are two parties. */
  'no leeway': () => ({ session: { leeway: '0s' } }),
  /** Nothing is learnt of what other processes revoke. */
  deaf: () => {
    Revocations.prototype.mergeHint = () => true;
    Revocations.prototype.mergePage = () => undefined;
  },
  /** Every authentic refresh token is accepted. */
  'no theft': () => {
    const { rotate } = RotationStore.prototype;
    RotationStore.prototype.confirm = () => Promise.resolve({ skipped: [], stolen: [], forks: [] });
    RotationStore.prototype.rotate = async function (request) {
      const row = await rotate.call(this, request);
      if (row) return row;
      await this['database'].dataSource.query(
        `UPDATE jwt_session SET generation = $2, token_hash = $3, successor_hash = NULL, successor_salt = NULL,
          leeway_until = now() WHERE id = $1`,
        [request.sessionId, request.generation, request.hash],
      );
      return rotate.call(this, request);
    };
  },
} satisfies Record<string, () => SessionModuleOptions | void>;

export type Mutation = keyof typeof MUTATIONS;
