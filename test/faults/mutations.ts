import { Revocations } from '../../lib/revocation/revocations.js';
import { PauseDetector } from '../../lib/sessions/pause-detector.js';
import { DatabaseClock } from '../../lib/store/database-clock.js';
import { RotationStore } from '../../lib/store/rotation.store.js';

/** Each switches a protection of the library off in the process that calls it. */
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
  'no leeway': () => {
    const { rotate } = RotationStore.prototype;
    RotationStore.prototype.rotate = function (request) {
      return rotate.call(this, { ...request, leeway: 0 });
    };
  },
  /** Nothing is learnt of what other processes revoke. */
  deaf: () => {
    Revocations.prototype.mergeRemote = () => undefined;
  },
  /** A theft ends nothing. */
  'no theft': () => {
    RotationStore.prototype.endStolen = () => Promise.resolve([]);
    RotationStore.prototype.confirm = () => Promise.resolve({ skipped: [], stolen: [], forks: [] });
  },
} satisfies Record<string, () => void>;

export type Mutation = keyof typeof MUTATIONS;
