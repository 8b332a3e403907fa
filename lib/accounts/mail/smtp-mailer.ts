import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import type { SmtpOptions } from '../options/account-options.js';
import { isLoopback } from '../options/resolve-account-options.js';
import { type Mail, Mailer } from './mailer.js';
import { type MailTransport, openTransport } from './transport.js';

// Milliseconds; together less than the time for which the outbox leaves a mail to one process.
const LIMITS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000 };

/** Sends by SMTP. */
export class SmtpMailer extends Mailer implements OnModuleInit, OnModuleDestroy {
  private transport?: MailTransport;

  constructor(private readonly server: string | SmtpOptions) {
    super();
  }

  async onModuleInit(): Promise<void> {
    const { host, port, secure = port === 465, requireTLS, user, password } = parse(this.server);
    this.transport = await openTransport({
      host,
      port: port ?? (secure ? 465 : 587),
      secure,
      // The mail carries a token. Without this a man in the middle has it sent in plain by hiding STARTTLS.
      requireTLS: requireTLS ?? (!secure && !isLoopback(host)),
      ...(user === undefined ? {} : { auth: { user, pass: password } }),
      ...LIMITS,
    });
  }

  async send({ name: _name, ...mail }: Mail): Promise<void> {
    await this.transport!.sendMail(mail);
  }

  onModuleDestroy(): void {
    this.transport?.close();
  }
}

function parse(server: string | SmtpOptions): SmtpOptions {
  if (typeof server !== 'string') return server;
  const { protocol, hostname, port, username, password, searchParams } = new URL(server);
  return {
    host: hostname,
    port: port === '' ? undefined : Number(port),
    secure: protocol === 'smtps:',
    requireTLS: searchParams.has('requireTLS') ? searchParams.get('requireTLS') === 'true' : undefined,
    ...(username === '' ? {} : { user: decodeURIComponent(username), password: decodeURIComponent(password) }),
  };
}
