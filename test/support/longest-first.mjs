import Sequencer from '@jest/test-sequencer';

/** They wait for browsers and other processes: begun last, one of them would run on alone. */
const MAX_DURATION_MS = ['browser', 'keys', 'accounts', 'life-cycle', 'sample', 'revocation'];

const placeOf = ({ path }) => {
  const place = MAX_DURATION_MS.findIndex(folder => path.includes(`/test/${folder}/`));
  return place === -1 ? MAX_DURATION_MS.length : place;
};

/** Begins with the folders that take the longest, also where nothing is known of former runs. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((one, other) => placeOf(one) - placeOf(other));
  }
}
