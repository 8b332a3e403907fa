import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import PostalMime from 'postal-mime';
import { type Mail, Mailer, type MailTemplates } from 'nestjs-jwt-session/accounts';
import { SessionTimers } from '../../lib/common/clock.js';
import { MAIL_TEMPLATES } from '../../lib/accounts/mail/templates.js';
import { until } from '../support/until.js';
import { AccountApp, PASSWORD, withFastHashes } from './account-app.js';
import { Inbox, linkOf, tokenOf } from './inbox.js';

describe('mails behind the answer', () => {
  let app: AccountApp;
  beforeAll(async () => {
    app = await AccountApp.start({ accounts: undefined });
  });
  afterEach(() => {
    app.inbox.refusal = undefined;
    app.accountEvents.length = 0;
  });
  afterAll(() => app?.close());

  const queue = () =>
    app.test.database.query<{ attempts: number; next_attempt_at: Date; last_error: string; failed_at: Date | null }>(
      'SELECT attempts, next_attempt_at, last_error, failed_at FROM jwt_account_mail',
    );
  const events = (type: string) => app.accountEvents.filter(event => event.type === type);

  it('a mail that is refused is tried again, ever later, and arrives', async () => {
    app.inbox.refusal = 'the mailbox is locked';
    const begun = app.test.clock.now();
    expect((await app.register('retry@example.com')).status).toBe(202);
    await until(async () => events('mail.delayed').length === 1);
    const [waiting] = await queue();
    expect(waiting).toMatchObject({ attempts: 1, last_error: expect.stringContaining('mailbox is locked') });
    expect(waiting!.next_attempt_at.getTime()).toBeGreaterThanOrEqual(begun + 10_000);
    await app.test.clock.advance('11s');
    await app.outbox.drain();
    // Not before its time.
    await app.test.clock.advance('15s');
    await app.outbox.drain();
    expect(events('mail.delayed')).toHaveLength(2);

    app.inbox.refusal = undefined;
    await app.test.clock.advance('26s');
    await app.outbox.drain();
    const token = tokenOf(await app.verificationMail('retry@example.com'));
    expect((await app.post('verify-email', { token, password: PASSWORD })).status).toBe(200);
    expect(await queue()).toEqual([]);
    expect(events('mail.sent')).toHaveLength(1);
  });

  it('a mail that never goes out is given up and reported, without a secret', async () => {
    app.inbox.refusal = `no <lost@example.com>, token=${'A'.repeat(43)}`;
    await app.register('lost@example.com');
    await until(async () => events('mail.delayed').length === 1);
    for (let n = 2; n <= 10; n++) {
      await app.test.clock.advance('6h');
      await app.outbox.drain();
    }
    expect(events('mail.failed')).toMatchObject([{ kind: 'registration', attempts: 10 }]);
    expect(await queue()).toMatchObject([{ attempts: 10, failed_at: expect.any(Date) }]);
    expect(JSON.stringify(app.accountEvents)).not.toMatch(/AAAA|lost@/);
    await app.test.clock.advance('24h');
    await app.outbox.drain();
    expect(events('mail.failed')).toHaveLength(1);
  });

  it('a mail that a process took with it is sent by another one later, and by one of many', async () => {
    const lost = '00000000-0000-7000-8000-000000000001';
    await app.member('taken@example.com');
    await app.test.database.query(
      `INSERT INTO jwt_account_mail (id, kind, email, attempts, next_attempt_at)
       VALUES ($1, 'recovery', 'taken@example.com', 1, clock.now() + interval '2 minutes')`,
      [lost],
    );
    await app.outbox.drain();
    expect(events('mail.sent').some(event => 'mailId' in event && event.mailId === lost)).toBe(false);
    await app.test.clock.advance('121s');
    const { database, clock } = app.test;
    const others = await Promise.all([1, 2].map(() => AccountApp.start({ database, clock, inbox: app.inbox })));
    await Promise.all([app, ...others].map(({ outbox }) => outbox.drain()));
    await app.inbox.wait('taken@example.com', /^Choose/);
    expect(app.inbox.to('taken@example.com').filter(({ subject }) => subject!.startsWith('Choose'))).toHaveLength(1);
    await Promise.all(others.map(other => other.close()));
  });
});

describe('the mail server is not there', () => {
  it('the answer is the same, and comes at once', async () => {
    const app = await AccountApp.start({
      accounts: { mail: { from: 'x@garden.example', smtp: 'smtp://127.0.0.1:9' } },
    });
    expect((await app.register('ada@example.com')).status).toBe(202);
    await until(async () => app.accountEvents.some(({ type }) => type === 'mail.delayed'));
    await app.close();
  });

  it('a server without STARTTLS gets no token, unless it is this machine', async () => {
    const inbox = await Inbox.open();
    // The same server under a name that is not known to be this machine.
    const smtp = { host: 'localhost', port: Number(new URL(inbox.url).port), requireTLS: true };
    const mail = { from: 'x@garden.example', smtp };
    const strict = await AccountApp.start({ inbox, accounts: { mail } });
    await strict.register('plain@example.com');
    await until(async () => strict.accountEvents.some(({ type }) => type === 'mail.delayed'));
    expect(inbox.to('plain@example.com')).toEqual([]);
    await strict.close();
    await inbox.close();
  });
});

describe('mail.folder', () => {
  it('keeps mails as files that only their owner reads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'accounts-mail-'));
    const inner = join(folder, 'mails');
    const app = await AccountApp.start({ accounts: { mail: { from: 'x@garden.example', folder: inner } } });
    await app.register('ada@example.com');
    const files = async () => (await readdir(inner)).filter(file => file.endsWith('.eml'));
    await until(async () => (await files()).length === 1);
    await app.outbox.drain();
    const file = join(inner, (await files())[0]!);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const mail = { ...(await PostalMime.parse(await readFile(file))), recipients: [] };
    expect(mail.to).toEqual([{ name: '', address: 'ada@example.com' }]);
    expect((await app.post('verify-email', { token: tokenOf(mail), password: PASSWORD })).status).toBe(200);
    await app.close();
    await rm(folder, { recursive: true });
  });
});

describe('mail.mailer and mail.templates', () => {
  @Injectable()
  class Postman extends Mailer {
    readonly mails: Mail[] = [];

    async send(mail: Mail): Promise<void> {
      this.mails.push(mail);
    }
  }

  @Module({ providers: [Postman] })
  class PostModule {}

  it('the application sends by itself, and says what it likes', async () => {
    const templates: Partial<MailTemplates> = {
      resetPassword: ({ link, email }) => ({ subject: 'Hallo', text: `${email}: ${link}`, html: `<b>${link}</b>` }),
      verifyEmail: async ({ link, language, account }) => {
        await Promise.resolve();
        return { subject: `${language} ${account!.role} ${account!.verified}`, text: link, html: link };
      },
    };
    const app = await AccountApp.start({
      imports: [PostModule],
      accounts: { mail: { from: 'x@garden.example', mailer: Postman, templates }, pages: { resetPassword: '/neu' } },
    });
    const { mails } = app.test.app.get(Postman, { strict: false });
    const body = { email: 'ada@example.com', password: PASSWORD };
    await app.post('register', body, { 'accept-language': 'de-CH, de;q=0.9, *;q=0.1' });
    await until(async () => mails.length === 1);
    expect(mails[0]!.subject).toBe('de-CH user false');
    await app.post('forgot-password', { email: 'ada@example.com' });
    await until(async () => mails.length === 2);
    expect(mails.map(({ name, from, to }) => ({ name, from, to }))).toEqual(
      ['verify-email', 'reset-password'].map(name => ({ name, from: 'x@garden.example', to: 'ada@example.com' })),
    );
    expect(mails[1]!.text).toMatch(/^ada@example\.com: https:\/\/garden\.example\/neu#token=[\w-]{43}$/);
    await app.close();
  });
});

describe('a mailer that never answers', () => {
  class ImpatientTimers extends SessionTimers {
    override within<T>(milliseconds: number, answer: Promise<T>, late: () => Error): Promise<T> {
      return super.within(Math.min(milliseconds, 2_000), answer, late);
    }
  }

  it('holds up neither the other mails nor the end of the application', async () => {
    const sent: string[] = [];
    @Injectable()
    class Stuck extends Mailer {
      send({ to }: Mail): Promise<void> {
        if (to.startsWith('stuck')) return new Promise(() => undefined);
        sent.push(to);
        return Promise.resolve();
      }
    }

    @Module({ providers: [Stuck] })
    class StuckModule {}

    const app = await AccountApp.start({
      imports: [StuckModule],
      accounts: { mail: { from: 'x@garden.example', mailer: Stuck } },
      override: builder => {
        withFastHashes(builder);
        builder.overrideProvider(SessionTimers).useValue(new ImpatientTimers());
      },
    });
    for (const name of ['stuck-1', 'stuck-2', 'stuck-3', 'stuck-4']) await app.register(`${name}@example.com`);
    await app.register('ada@example.com');
    await until(async () => sent.includes('ada@example.com'));
    await until(async () => app.accountEvents.filter(({ type }) => type === 'mail.delayed').length === 4);
    expect(app.accountEvents).toContainEqual(
      expect.objectContaining({ type: 'mail.delayed', error: 'took longer than 100 s' }),
    );
    await app.register('stuck-5@example.com');
    await app.close();
  });
});

describe('the texts of mails', () => {
  const context = {
    serviceName: '<b>"Tom & Jerry"</b>',
    email: 'x@y.z',
    link: 'https://a.example/p#token=a',
    lifetime: '2 hours',
  };

  it.each(Object.entries(MAIL_TEMPLATES))(
    '%s is the same in text and HTML, which escapes what it is given',
    (_, template) => {
      const { subject, text, html } = template(context);
      expect(subject).toContain(context.serviceName);
      expect(html).not.toContain('<b>');
      expect(html).toContain('&lt;b&gt;&quot;Tom &amp; Jerry&quot;&lt;/b&gt;');
      if (text.includes('https://')) expect(linkOf({ text, html } as never).href).toBe(context.link);
    },
  );
});
