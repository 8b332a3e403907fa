import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ValidationPipe } from '@nestjs/common';
import { PLATFORMS } from '../support/test-app.js';
import { AccountApp, OTHER_PASSWORD, PASSWORD } from './account-app.js';
import { linkOf, tokenOf } from './inbox.js';

describe.each(PLATFORMS)('F24: registering on %s', platform => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({
      platform,
      configure: nest => nest.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true })),
    });
  });
  afterAll(() => app?.close());

  const login = (email: string, password = PASSWORD) => app.post('login', { email, password });
  const rows = (email: string) =>
    app.test.database.query<{ id: string }>('SELECT id FROM jwt_account WHERE email_key = lower($1)', [email]);

  it('sends a link, and the account can be used once it was followed', async () => {
    const answer = await app.register('Ada@Example.com');
    expect(answer).toMatchObject({ status: 202, body: {} });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await login('ada@example.com')).toMatchObject({ status: 403, body: { errorCode: 'email_not_verified' } });

    const mail = await app.verificationMail('Ada@Example.com');
    expect(mail.from).toEqual({ name: 'The Garden', address: 'no-reply@garden.example' });
    expect(mail.text).toContain('within 24 hours');
    // The token is in the fragment, which no server and no Referer ever sees.
    expect(linkOf(mail)).toMatchObject({ origin: 'https://garden.example', pathname: '/verify-email', search: '' });
    expect(await app.post('verify-email', { token: tokenOf(mail), password: PASSWORD })).toMatchObject({
      status: 200,
      body: { email: 'Ada@Example.com' },
    });

    const client = await app.loggedIn('ADA@example.COM');
    const own = await client.send('/account');
    const [{ id } = { id: '' }] = await rows('ada@example.com');
    expect(own.body).toEqual({
      id,
      email: 'Ada@Example.com',
      role: 'user',
      verified: true,
      disabled: false,
      createdAt: expect.any(String),
    });
    expect((await client.send('/session')).body).toMatchObject({ userId: id, claims: { role: 'user' } });
    // Version 7.
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('20 registrations of one address at once make one account', async () => {
    const spellings = Array.from({ length: 20 }, (_, n) => (n % 2 ? 'twenty@example.com' : 'Twenty@Example.com'));
    const answers = await Promise.all(spellings.map(email => app.register(email)));
    expect(answers.map(({ status }) => status)).toEqual(spellings.map(() => 202));
    expect(await rows('twenty@example.com')).toHaveLength(1);
    const [{ email } = { email: '' }] = await app.test.database.query<{ email: string }>(
      "SELECT email FROM jwt_account WHERE email_key = 'twenty@example.com'",
    );
    const mail = await app.verificationMail(email);
    expect((await app.post('verify-email', { token: tokenOf(mail), password: PASSWORD })).status).toBe(200);
    expect((await login('twenty@example.com')).status).toBe(200);
  });

  it('a known address is answered alike, and its owner is told', async () => {
    await app.member('known@example.com');
    const known = await app.register('KNOWN@example.com', OTHER_PASSWORD);
    const unknown = await app.register('unknown@example.com', OTHER_PASSWORD);
    expect({ status: known.status, body: known.body }).toEqual({ status: unknown.status, body: unknown.body });
    const names = (headers: Headers) => [...headers.keys()].filter(name => name !== 'date').sort();
    expect(names(known.headers)).toEqual(names(unknown.headers));

    const mail = await app.inbox.wait('known@example.com', /^You already have an account/);
    expect(linkOf(mail).href).toBe('https://garden.example/login');
    expect((await login('known@example.com')).status).toBe(200);
    // Nor does a login with the password that was just chosen tell them apart.
    const [again, first] = [
      await login('known@example.com', OTHER_PASSWORD),
      await login('unknown@example.com', OTHER_PASSWORD),
    ];
    expect(again).toMatchObject({ status: 403, body: { errorCode: 'email_not_verified' } });
    expect([again.status, again.body]).toEqual([first.status, first.body]);
  });

  it('a link verifies once, and a second click, in five tabs at once or later, gets the same answer', async () => {
    await app.register('tabs@example.com');
    const token = tokenOf(await app.verificationMail('tabs@example.com'));
    const click = () => app.post('verify-email', { token, password: PASSWORD });
    const answers = [...(await Promise.all(Array.from({ length: 5 }, click))), await click()];
    expect(answers.map(({ status, body }) => [status, body])).toEqual(
      answers.map(() => [200, { email: 'tabs@example.com' }]),
    );
    const [{ id } = { id: '' }] = await rows('tabs@example.com');
    const verified = app.accountEvents.filter(event => event.type === 'account.verified' && event.accountId === id);
    expect(verified).toHaveLength(1);
  });

  it('a link that is too old, tampered with, for another purpose or no link at all is refused alike', async () => {
    await app.register('old@example.com');
    const token = tokenOf(await app.verificationMail('old@example.com'));
    const recovery = await app.recoveryToken('old@example.com');
    const flipped = (token.startsWith('A') ? 'B' : 'A') + token.slice(1);
    const answers = [];
    for (const bad of [flipped, token.slice(1), `${token}A`, recovery, 'nonsense', "' OR 1=1 --"]) {
      answers.push(await app.post('verify-email', { token: bad, password: PASSWORD }));
    }
    await app.test.clock.advance('25h');
    answers.push(await app.post('verify-email', { token, password: PASSWORD }));
    expect(new Set(answers.map(({ status, body }) => JSON.stringify([status, body]))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 400, body: { errorCode: 'token_invalid' } });
    expect((await login('old@example.com')).status).toBe(403);
  });

  it('the link is sent again on request, for an unknown address nothing is, and both are answered alike', async () => {
    await app.register('again@example.com');
    await app.verificationMail('again@example.com');
    const again = await app.post('send-verification', { email: 'again@example.com' });
    const unknown = await app.post('send-verification', { email: 'nobody@example.com' });
    expect([again.status, again.body]).toEqual([unknown.status, unknown.body]);
    const token = tokenOf(await app.verificationMail('again@example.com', 2));
    expect((await app.post('verify-email', { token, password: PASSWORD })).status).toBe(200);
    expect((await login('again@example.com')).status).toBe(200);
    await app.outbox.drain();
    expect(app.inbox.to('nobody@example.com')).toEqual([]);
  });

  it('a person who registered an address before its owner does not know the password of the owner’s account', async () => {
    await app.register('victim@example.com', OTHER_PASSWORD);
    await app.verificationMail('victim@example.com');
    await app.register('victim@example.com', PASSWORD);
    const token = tokenOf(await app.verificationMail('victim@example.com', 2));
    await app.post('verify-email', { token, password: PASSWORD });
    expect((await login('victim@example.com', PASSWORD)).status).toBe(200);
    expect((await login('victim@example.com', OTHER_PASSWORD)).status).toBe(401);
    // The earlier link of the other one is void.
    const earlier = app.inbox.to('victim@example.com')[0]!;
    expect((await app.post('verify-email', { token: tokenOf(earlier), password: PASSWORD })).status).toBe(400);
  });

  it('…also where the link that was used had been asked for again', async () => {
    await app.register('robbed@example.com', OTHER_PASSWORD);
    await app.verificationMail('robbed@example.com');
    await app.register('robbed@example.com', PASSWORD);
    await app.verificationMail('robbed@example.com', 2);
    await app.post('send-verification', { email: 'robbed@example.com' });
    const token = tokenOf(await app.verificationMail('robbed@example.com', 3));
    expect((await app.post('verify-email', { token, password: PASSWORD })).status).toBe(200);
    expect((await login('robbed@example.com', OTHER_PASSWORD)).status).toBe(401);
    expect((await login('robbed@example.com', PASSWORD)).status).toBe(200);
  });

  it.each([
    ['ｓam@example.com'],
    ['\u017fam@example.com'],
    ['owner\u212a4@example.com'],
    ['sam@exa\u00admple.com'],
    ['sam@example\u200b.com'],
    ['sam@exam\u2060ple.com'],
    ['sam@example\ufe0f.com'],
    ['sam@ｅxample.com'],
    ['"ada"@example.com'],
    ['"a\r\nBcc: x@y.z"@example.com'],
    ['"grace@example.com x"@example.org'],
  ])("%j is no address: it is another one's key, or more than one address", async email => {
    const answer = await app.post('register', { email, password: PASSWORD });
    expect(answer).toMatchObject({ status: 400, body: { errorCode: 'invalid_input' } });
  });

  it.each([
    [{ email: 'ada', password: PASSWORD }, 'email', 'not_an_email'],
    [{ email: `${'a.b'.repeat(85)}@b.de`, password: PASSWORD }, 'email', 'not_an_email'],
    [{ password: PASSWORD }, 'email', 'missing'],
    [{ email: 7, password: PASSWORD }, 'email', 'missing'],
    [{ email: 'x@example.com' }, 'password', 'missing'],
    [{ email: 'x@example.com', password: 'short' }, 'password', 'too_short'],
    [{ email: 'x@example.com', password: 'a'.repeat(300) }, 'password', 'too_long'],
    [{ email: 'x@example.com', password: `half a pair \ud800 of surrogates` }, 'password', 'malformed'],
    [{ email: 'x@example.com', password: PASSWORD, role: 'admin' }, 'role', 'unknown_field'],
  ])('%j is refused by field and reason', async (body, field, reason) => {
    const answer = await app.post('register', body);
    expect(answer).toMatchObject({ status: 400, body: { error: 'Bad Request', errorCode: 'invalid_input' } });
    expect(answer.body.errors).toContainEqual({ field, reason, message: expect.stringContaining(`"${field}"`) });
  });

  it('a body that would change its own prototype is refused', async () => {
    const body = JSON.parse(
      `{"email":"x@example.com","password":"${PASSWORD}","__proto__":{"constructor":7}}`,
    ) as object;
    expect((await app.post('register', body)).status).toBe(400);
  });

  it.each([[[]], ['text'], [null]])('a body that is %j is refused', async body => {
    expect((await app.post('register', body)).status).toBe(400);
  });
});
