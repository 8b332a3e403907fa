import Bowser from 'bowser';

// User agents are what clients like to say; nobody needs more of it than this.
const LONGEST = 512;

/** Names a device as its user would, such as "Firefox on Linux"; undefined where nothing is known of it. */
export function deviceLabel(userAgent: string | undefined): string | undefined {
  const text = userAgent?.slice(0, LONGEST).trim();
  if (!text) return undefined;
  const { browser, os } = Bowser.parse(text);
  // Scripts say who they are in the first word: `curl/8.5.0`.
  const name = browser.name || /^[\w.-]{1,40}/.exec(text)?.[0];
  if (!name) return undefined;
  return os.name ? `${name} on ${os.name}` : name;
}
