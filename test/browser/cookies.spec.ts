import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeInChromium } from '../support/chromium.js';
import { HttpProxy } from '../support/http-proxy.js';
import { SampleWithBrowser } from '../support/sample-with-browser.js';
import { signInForm, writeNote } from '../support/browser-user.js';

describeInChromium('cookies over HTTPS, in a browser', () => {
  let sample: SampleWithBrowser;
  let proxy: HttpProxy;
  beforeAll(async () => {
    sample = await SampleWithBrowser.start({ COOKIES_SECURE: 'true' });
    proxy = await HttpProxy.to(sample.url, 'https');
  });
  afterAll(async () => {
    await proxy?.close();
    await sample?.stop();
  });
  afterEach(async () => {
    expect(await sample.closeUsers()).toEqual([]);
  });

  const arrive = (url = proxy.url) => sample.user(url, { ignoreHTTPSErrors: true });

  it('C01, C02, C03, scenario 14: the jar holds them with their prefixes and attributes', async () => {
    const user = await arrive();
    await user.signedIn();
    const cookies = await user.context.cookies();
    const common = { domain: '127.0.0.1', httpOnly: true, secure: true };
    expect(cookies.sort((one, other) => one.name.localeCompare(other.name))).toMatchObject([
      { ...common, name: '__Host-Http-access_token', path: '/', sameSite: 'Lax' },
      { ...common, name: '__Host-Http-session_marker', path: '/', sameSite: 'Strict' },
      { ...common, name: '__Secure-refresh_token', path: '/session', sameSite: 'Strict' },
    ]);
    expect(cookies).toHaveLength(3);
  });

  it('C02: no script can read, replace or list them', async () => {
    const user = await arrive();
    const page = await user.signedIn();
    const before = await user.context.cookies();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.evaluate('cookieStore.getAll().then(cookies => cookies.length)')).toBe(0);
    await page.evaluate(`
      document.cookie = '__Host-Http-access_token=planted; Path=/; Secure';
      document.cookie = '__Secure-refresh_token=planted; Path=/session; Secure';
    `);
    expect(await user.context.cookies()).toEqual(before);
    const kept = await page.evaluate<string>('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');
    expect(kept).toBe('[{},{}]');
  });

  it('C01: no script plants a session in a browser that is logged out', async () => {
    const user = await arrive();
    const page = await user.context.newPage();
    await page.goto(proxy.url);
    await page.evaluate(`
      for (const name of ['access_token', 'session_marker'])
        for (const prefix of ['__Host-Http-', '__host-http-', '__HOST-HTTP-'])
          document.cookie = prefix + name + '=planted; Path=/; Secure';
    `);
    await page.evaluate(`
      cookieStore.set('__Host-Http-access_token', 'planted').catch(() => undefined)
    `);
    expect(await user.context.cookies()).toEqual([]);
    // The control: a prefix that scripts can plant.
    await page.evaluate("document.cookie = '__Host-access_token=planted; Path=/; Secure'");
    expect((await user.context.cookies()).map(({ name }) => name)).toEqual(['__Host-access_token']);
  });

  it('C02: no token is in any body that reaches the page, nor in its address', async () => {
    const user = await arrive();
    const bodies: Promise<string>[] = [];
    user.context.on('response', response => {
      if (response.request().resourceType() === 'fetch') bodies.push(response.text().catch(() => ''));
    });
    const page = await user.signedIn();
    const tokens = (await user.context.cookies()).map(({ value }) => value);
    const asked = await page.evaluate<string>(
      "fetch('/session/refresh', { method: 'POST', headers: { 'Session-Transport': 'bearer' } }).then(answer => answer.text())",
    );
    tokens.push(...(await user.context.cookies()).map(({ value }) => value));
    expect(JSON.parse(asked)).toEqual({ expiresIn: expect.any(Number), expiresAt: expect.any(String) });
    const text = [page.url(), asked, ...(await Promise.all(bodies))].join('\n');
    expect(text).toContain('"username":"ada"');
    for (const token of tokens) expect(text).not.toContain(token);
  });

  it('C01: they do not go to the same host in the clear', async () => {
    const clear = await HttpProxy.to(sample.url);
    // Not by an address of this machine, to which browsers send Secure cookies in the clear, too.
    const user = await arrive(proxy.at('app.test'));
    await user.signedIn();
    const page = await user.context.newPage();
    const [asked] = await Promise.all([page.waitForRequest('**/me'), page.goto(clear.at('app.test'))]);
    expect((await asked.allHeaders()).cookie).toBeUndefined();
    await signInForm(page).waitFor();
    await clear.close();
  });

  it('C06, scenario 14: log-out takes them out of the jar', async () => {
    const user = await arrive();
    const page = await user.signedIn();
    await writeNote(page, 'over HTTPS');
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click();
    await signInForm(page).waitFor();
    expect(await user.context.cookies()).toEqual([]);
  });
});
