// Takes screenshots of the sample's pages with Chromium: `npm run screenshots [folder] [--all]`.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
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

const sample = spawn(process.execPath, [fileURLToPath(new URL('dist/main.js', import.meta.url))], {
  env: {
    PATH: process.env.PATH,
    PORT: String(PORT),
    DATABASE_URL: process.env.DATABASE_URL,
    SESSION_LEEWAY: '3s',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
await new Promise((resolve, reject) => {
  sample.stdout.on('data', chunk => String(chunk).includes('The sample listens on') && resolve());
  sample.once('exit', () => reject(new Error('the sample did not start')));
});

const executablePath = spawnSync(
  'sh',
  ['-c', 'command -v chromium || command -v chromium-browser || command -v chromium-headless-shell'],
  {
    encoding: 'utf8',
  },
).stdout.trim();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  await prepare();
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) await take(`${size}-${colorScheme}`, { viewport, colorScheme });
  }
} finally {
  await browser.close();
  sample.kill('SIGTERM');
  await once(sample, 'exit');
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
  await page.getByRole('button', { name: 'Use ada' }).click();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Hello, ada' }).waitFor();
  await keep('home');

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
