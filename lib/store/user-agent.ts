import type { ResolvedSessionOptions } from '../options/resolve-options.js';

/** What the options say of the `User-Agent` header of every session. */
export interface UserAgentSettings {
  /** Whether the text is stored. */
  readonly isStored: boolean;
  /** Whether a refresh must come with the user agent of the session. */
  readonly isBound: boolean;
}

export function userAgentSettings({ binding, devices }: ResolvedSessionOptions): UserAgentSettings {
  return { isStored: devices.userAgent === 'full', isBound: binding.userAgent !== 'off' };
}

/** The columns of a new row and their values: the text, or the hash where only the binding needs it. */
export function newUserAgent(settings: UserAgentSettings, userAgent: string): { column: string; value: string }[] {
  if (settings.isStored) return [{ column: 'user_agent', value: userAgent }];
  return settings.isBound ? [{ column: 'user_agent_hash', value: hashOfGiven(userAgent) }] : [];
}

/** What a refresh writes. A session from before the binding is bound at its next refresh. */
export function seenUserAgent({ isStored, isBound }: UserAgentSettings, userAgent: string): string {
  if (isStored) return `, user_agent = COALESCE(${userAgent}, s.user_agent)`;
  return isBound ? `, user_agent_hash = COALESCE(s.user_agent_hash, ${hashOfGiven(userAgent)})` : '';
}

/**
 * Whether a bound session `s` has the given user agent. Rows hold the hash or, from a time when the text was stored, the
 * text. A row with neither is one without a user agent, or one from before the binding where the text is not stored.
 */
export function hasUserAgent({ isStored }: UserAgentSettings, userAgent: string): string {
  const given = hashOfGiven(userAgent);
  return `COALESCE(s.user_agent_hash, ${hashOf('s.user_agent')}, ${isStored ? hashOf("''") : given}) = ${given}`;
}

function hashOfGiven(userAgent: string): string {
  return hashOf(`COALESCE(${userAgent}, '')`);
}

/** 16 bytes: two user agents of one hash are of no use to an attacker, as clients choose their user agent freely. */
function hashOf(text: string): string {
  return `substr(sha256(convert_to(${text}, 'UTF8')), 1, 16)`;
}
