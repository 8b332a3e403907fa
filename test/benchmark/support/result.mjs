/**
 * What one contestant reached in one measure.
 *
 * @typedef {object} Result
 * @property {string} measure
 * @property {string} contestant
 * @property {string} unit of `value`; more is better for what is counted per second
 * @property {number} value the median of the rounds
 * @property {number} [spread] as a share of the value
 * @property {number[]} [rounds] the value of each round, for ratios within a round
 * @property {number} [cpu] microseconds of this process's processor time per operation
 * @property {number} [busy] how many cores' worth of processor time a server had
 * @property {number} [p50] microseconds
 * @property {number} [p99] microseconds
 * @property {number} [statements] per operation
 */

/** This library's name in the tables. */
export const LIBRARY = 'this library';
