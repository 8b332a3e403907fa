/** Clients choose their user agent freely; no browser's is longer than this. */
const MAX_USER_AGENT_LENGTH = 512;

/** Most clients have one of a few hundred user agents, and parsing one takes longer than reading its row. */
const MAX_KNOWN = 1_000;

type Parser = (userAgent: string) => { readonly browser: { name?: string }; readonly os: { name?: string } };

/** Names devices by their user agent, with the package bowser where it is installed. */
export class DeviceLabels {
  private parser?: Promise<Parser | undefined>;
  private readonly known = new Map<string, string | null>();

  async isAble(): Promise<boolean> {
    return (await (this.parser ??= loadParser())) !== undefined;
  }

  /** Such as "Firefox on Linux" or "curl"; null without bowser, and for a user agent without a name. */
  async labelOf(userAgent: string | null | undefined): Promise<string | null> {
    const text = userAgent?.slice(0, MAX_USER_AGENT_LENGTH).trim();
    const parse = text ? await (this.parser ??= loadParser()) : undefined;
    if (!text || !parse) return null;
    let label = this.known.get(text);
    if (label === undefined) {
      label = nameOf(parse(text), text);
      if (this.known.size >= MAX_KNOWN) this.known.clear();
      this.known.set(text, label);
    }
    return label;
  }
}

function nameOf({ browser, os }: ReturnType<Parser>, userAgent: string): string | null {
  // Scripts name themselves in the first word: `curl/8.5.0`.
  const name = browser.name || /^[\w.-]{1,40}/.exec(userAgent)?.[0];
  if (!name) return null;
  return os.name ? `${name} on ${os.name}` : name;
}

async function loadParser(): Promise<Parser | undefined> {
  const bowser = await import('bowser').catch(() => undefined);
  return bowser && (userAgent => bowser.default.parse(userAgent));
}
