import { verify } from 'node:crypto';
import { contextOf } from '../support/contexts.mjs';
import { fresh } from '../support/tokens.mjs';

/** @typedef {import('../support/calls.mjs').Contestant} Contestant */

/**
 * A call with a fresh string.
 *
 * @param {(text: string) => unknown} use
 * @returns {Contestant}
 */
export function call(name, prepare, use) {
  return { name, prepare, run: bytes => use(fresh(bytes)) };
}

/** A guard, asked as Nest asks it. @returns {Contestant} */
export function guarded(name, prepare, guard) {
  return { name, prepare, run: bytes => guard.canActivate(contextOf(bytes)) };
}

/** The same for what must be refused. @param {Contestant} contestant @returns {Contestant} */
export function refused({ name, prepare, run }) {
  return {
    name,
    prepare,
    async run(input) {
      try {
        await run(input);
      } catch {
        return;
      }
      throw new Error(`${name} accepted a forged token`);
    },
  };
}

/** What no cache can do without: finding the token. @returns {Contestant} */
export function mapLookup(length, population) {
  const texts = Array.from({ length: population }, () => randomText(length));
  const map = new Map(texts.map(text => [text, { text }]));
  const bytes = texts.map(text => Buffer.from(text));
  let next = 0;
  return call(
    `limit: Map lookup by a fresh string of ${length} characters`,
    count => Array.from({ length: count }, () => bytes[next++ % population]),
    text => map.get(text),
  );
}

function randomText(length) {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(length)))
    .toString('base64url')
    .slice(0, length);
}

/** What no verification can do without: the signature. @returns {boolean} */
export function bareVerifier(publicKey) {
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' };
  return token => {
    const end = token.lastIndexOf('.');
    return verify('sha256', Buffer.from(token.slice(0, end)), key, Buffer.from(token.slice(end + 1), 'base64url'));
  };
}
