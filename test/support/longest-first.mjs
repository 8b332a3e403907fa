import Sequencer from '@jest/test-sequencer';

/** Their specs wait for browsers and other processes. Begun last, one folder would run on alone. */
const SLOW_FOLDERS = ['browser', 'faults', 'keys', 'accounts', 'life-cycle', 'sample', 'revocation'];

const placeOf = ({ path }) => {
  const place = SLOW_FOLDERS.findIndex(folder => path.includes(`/test/${folder}/`));
  return place === -1 ? SLOW_FOLDERS.length : place;
};

/** Begins with the folders that take the longest, also where nothing is known of former runs. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    return [...tests].sort((one, other) => placeOf(one) - placeOf(other));
  }
}
