import { createHash } from 'node:crypto';

/** How many users of one browser are recognised. */
const MAX_TOKENS = 5;
export const DEVICE_TOKEN_BYTES = 18;
const TOKEN_LENGTH = 24;
const TOKEN_FORM = /^[\w-]{24}$/;
const SEPARATOR = '.';
const MAX_LIST_LENGTH = MAX_TOKENS * (TOKEN_LENGTH + SEPARATOR.length);

/** 16 bytes: the token is random, so that another one with the same hash cannot be found. */
const HASH_BYTES = 16;

/**
 * The device tokens that a client brings to a login: a list with one for each user who has logged in there. Each token is
 * stored for one user, so that the rows of two users do not tell that they share a device.
 *
 * | a token that came is | the client keeps | stored |
 * |---|---|---|
 * | the user's | it, as the first of the list | that it was seen |
 * | anything else: of another user, planted, made up | it, behind a new one | the new one |
 *
 * What a client brings is never stored: an intruder who planted it would be recognised with it.
 */
export class DeviceTokens {
  private readonly given: readonly string[];
  private readonly fresh: string;

  /**
   * @param lists what the client sent, of any form
   * @param random 18 bytes for a new token
   */
  constructor(lists: readonly string[], random: Buffer) {
    this.given = tokensOf(lists);
    this.fresh = random.toString('base64url');
  }

  /** Of the tokens that came. */
  get deviceHashes(): Buffer[] {
    return this.given.map(hashOfToken);
  }

  get newDeviceHash(): Buffer {
    return hashOfToken(this.fresh);
  }

  /** @param known the hash of the token that is the user's; null for none of them */
  listAfter(known: Buffer | null): string {
    const own = (known && this.given.find(token => hashOfToken(token).equals(known))) ?? this.fresh;
    const others = this.given.filter(token => token !== own);
    return [own, ...others].slice(0, MAX_TOKENS).join(SEPARATOR);
  }
}

/** The hashes of the tokens that a client sent, to find its device without a login. */
export function deviceHashesOf(lists: readonly string[]): Buffer[] {
  return tokensOf(lists).map(hashOfToken);
}

function tokensOf(lists: readonly string[]): string[] {
  const tokens = lists.flatMap(list => list.slice(0, MAX_LIST_LENGTH).split(SEPARATOR));
  return [...new Set(tokens)].filter(token => TOKEN_FORM.test(token)).slice(0, 2 * MAX_TOKENS);
}

function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest().subarray(0, HASH_BYTES);
}
