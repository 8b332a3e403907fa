// Takes screenshots of the sample's pages with Chromium: `npm run screenshots [folder] [--all]`.
import { spawn, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PORT = 4_733;
const URL_OF_SAMPLE = `http://127.0.0.1:${PORT}`;
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1_280, height: 800 } };
// Those that the README shows.
const CHOSEN = new Set(['home-desktop-light', 'home-phone-dark', 'inside-desktop-dark', 'theft-phone-light']);

const all = process.argv.includes('--all');
const folder =
  process.argv.slice(2).find(argument => !argument.startsWith('--')) ??
  fileURLToPath(new URL('screenshots/', import.meta.url));
mkdirSync(folder, { recursive: true });

const onPath = names =>
  spawnSync('sh', ['-c', names.map(name => `command -v ${name}`).join(' || ')], { encoding: 'utf8' }).stdout.trim();
const wholePath = onPath(['chromium', 'chromium-browser']);
const executablePath = wholePath || onPath(['chromium-headless-shell']);

const sample = await start({ PORT: String(PORT), SESSION_LEEWAY: '3s' });
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  await prepare();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) await take(`${size}-${colorScheme}`, { viewport, colorScheme });
  }
} finally {
  await browser.close();
  await stop(sample);
}
// The headless shell binds no sessions.
if (wholePath) await takeBound();

async function start(environment) {
  const child = spawn(process.execPath, [fileURLToPath(new URL('dist/main.js', import.meta.url))], {
    env: { PATH: process.env.PATH, DATABASE_URL: process.env.DATABASE_URL, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    child.stdout.on('data', chunk => String(chunk).includes('The sample listens on') && resolve());
    child.once('exit', () => reject(new Error('the sample did not start')));
  });
  return child;
}

async function stop(child) {
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** A session that is bound to a key, and what a copy of its cookies is good for. */
async function takeBound() {
  const bound = await start({ PORT: String(PORT + 1), KEY_BINDING: 'prefer' });
  const profile = mkdtempSync(join(tmpdir(), 'screenshots-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: [
      '--headless=new',
      '--no-sandbox',
      '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
      `--ignore-certificate-errors-spki-list=${await fingerprintOf(PORT + 1)}`,
    ],
    viewport: { width: 1_280, height: 1_500 },
    baseURL: `https://localhost:${PORT + 1}`,
  });
  try {
    const page = await context.newPage();
    await page.goto('/');
    await signIn(page);
    await page.goto('/inside');
    await page.getByText('Bound to a key of this browser').waitFor();
    await page.getByRole('button', { name: 'Prove it' }).click();
    await page.getByText('session.refreshed · proved').waitFor();
    await page.getByRole('button', { name: 'Copy them' }).click();
    await page.getByText('It cannot refresh').waitFor();
    await page.waitForTimeout(500);
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(folder, 'inside-bound-desktop-light.png') });
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
    await stop(bound);
  }
}

/** Names the certificate of the server to a browser that is to accept it. */
async function fingerprintOf(port) {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
  socket.destroy();
  return hash('sha256', key, 'base64');
}

async function signIn(page) {
  await page.getByRole('button', { name: 'Use ada' }).click();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Hello, ada' }).waitFor();
}

/** Notes and a few other devices, so that the pages have something to show. */
async function prepare() {
  const agents = [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  ];
  for (const agent of agents) {
    const login = await post('/login', { username: 'ada', password: 'lovelace' }, { 'user-agent': agent });
    if (agent !== agents[0]) continue;
    const cookie = login.headers.getSetCookie().map(value => value.split(';')[0]);
    for (const text of ['Ask Charles about the second engine', 'Note G: finish the table of operations']) {
      await post('/notes', { text }, { cookie: cookie.join('; ') });
    }
  }
}

function post(path, body, headers) {
  return fetch(`${URL_OF_SAMPLE}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

async function take(suffix, options) {
  const context = await browser.newContext({ ...options, baseURL: URL_OF_SAMPLE });
  const page = await context.newPage();
  page.on('pageerror', error => console.error(`${suffix}: ${error.message}`));
  const keep = async name => {
    const file = `${name}-${suffix}`;
    await page.evaluate(() => scrollTo(0, 0));
    if (all || CHOSEN.has(file)) await page.screenshot({ path: join(folder, `${file}.png`), fullPage: all });
  };

  await page.goto('/');
  await page.getByRole('button', { name: 'Use ada' }).waitFor();
  await keep('signed-out');
  await signIn(page);
  await keep('home');
  await page.getByRole('button', { name: 'Act as grace' }).click();
  await page.getByRole('heading', { name: 'Hello, grace' }).waitFor();
  await keep('acting');
  await page.getByRole('button', { name: 'Be yourself again' }).click();
  await page.getByRole('heading', { name: 'Hello, ada' }).waitFor();

  await page.goto('/inside');
  for (let generation = 0; generation < 3; generation++) {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByText('handed out, not seen in use yet').first().waitFor();
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.locator('#leeway-left').getByText('closed').waitFor();
  }
  await page.getByRole('button', { name: 'Lose one' }).click();
  await page.getByText('The first answer was lost').waitFor();
  await page.locator('.dot.minted >> nth=0').waitFor();
  await page.waitForTimeout(700);
  await keep('inside');

  await page.getByRole('button', { name: 'Steal it' }).click();
  await page.getByText('A theft was detected').waitFor({ timeout: 60_000 });
  await page.getByText('tries again, and is refused').waitFor();
  await page.getByText('session.theft').waitFor();
  await page.waitForTimeout(500);
  await keep('inside-theft');
  await page.getByRole('link', { name: 'What it means' }).click();
  await page.getByRole('heading', { name: 'You were signed out for your safety' }).waitFor();
  await keep('theft');
  await context.close();
}
