import { describe } from '@jest/globals';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

// The headless shell is the same engine without the window around it, and takes half the processor time.
const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];

const executablePath = process.env.CHROMIUM_PATH || onPath();

const runSuite = executablePath ? describe : describe.skip;
const hint = executablePath
  ? ''
  : ' (skipped: no Chromium; run apt-get install chromium-headless-shell, or set CHROMIUM_PATH)';

/** A suite that needs Chromium. Without it, the message says how to install it. */
export function describeInChromium(title: string, suite: () => void): void {
  runSuite(title + hint, suite);
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // The pages are our own, and containers have no sandbox. Names below `.test` make sites of this machine.
    args: ['--no-sandbox', '--host-resolver-rules=MAP *.test 127.0.0.1'],
    // Users have the back/forward cache.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}

/** Launches Chromium with a profile in a folder, which outlives the browser. */
export function launchWithProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, { executablePath, args: ['--no-sandbox'] });
}

// The headless shell has no Device Bound Session Credentials.
const wholePath = process.env.CHROMIUM_PATH || onPath(NAMES.slice(1));

/** A suite that needs Device Bound Session Credentials. */
export function describeInWholeChromium(title: string, suite: () => void): void {
  const isWhole = wholePath !== undefined && !wholePath.endsWith('headless-shell');
  const missing = ' (skipped: no Chromium beside the headless shell; run apt-get install chromium)';
  (isWhole ? describe : describe.skip)(title + (isWhole ? '' : missing), suite);
}

/**
 * Launches Chromium with Device Bound Session Credentials, for which it needs a profile, and keys in software.
 *
 * @param fingerprint of the one certificate that it accepts
 */
export function launchWithBoundSessions(profile: string, fingerprint: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: wholePath,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--host-resolver-rules=MAP *.test 127.0.0.1',
      '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
      `--ignore-certificate-errors-spki-list=${fingerprint}`,
    ],
  });
}

function onPath(names = NAMES): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap(name => folders.map(folder => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
