import type { Duration } from '../common/duration.js';
import { arrayOf, Check, CheckDuration, CheckGroup, matching, oneOf } from '../common/option-checks.js';
import { type Given, OptionGroup } from '../common/options.js';

const isBaseUrl = (value: unknown) => {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && search === '' && hash === '';
};

/** How proofs of DPoP (RFC 9449) are checked, in applications with sessions and in services that verify tokens. */
export class DpopProofSettings extends OptionGroup {
  /** How old a proof may be. */
  @CheckDuration({ min: '5s', max: '10m' })
  proofLifetime: Duration = '60s';

  /**
   * The addresses under which clients know the application, with the path that a proxy removes:
   * `https://api.example.com/v1`. Default: the protocol and the host of each request, so that a proof for another
   * service counts where its host is accepted here as well.
   */
  @Check(arrayOf(matching(isBaseUrl, "write whole addresses, such as 'https://api.example.com'")))
  baseUrls: string[] = [];
}

class DpopSettings extends DpopProofSettings {
  /**
   * `required`: a proof has a nonce of this application of the last minute (RFC 9449, section 8), so that none can be made
   * in advance. Costs the client a second request now and then.
   */
  @Check(oneOf(['off', 'required']))
  nonce: 'off' | 'required' = 'off';
}

/** How clients prove the keys that sessions are bound to. */
export class KeyBindingSettings extends OptionGroup {
  @CheckGroup()
  dpop = new DpopSettings();
}

export interface KeyBindingOptions extends Given<KeyBindingSettings> {}
