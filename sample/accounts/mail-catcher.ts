import { Controller, Get, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

const KEPT = 100;

interface CaughtMail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly date: Date;
}

/** A mail server that delivers nothing and shows everything: in place of a mailbox, for trying things out. */
@Injectable()
export class MailCatcher implements OnModuleDestroy {
  /** The latest first. */
  readonly mails: CaughtMail[] = [];
  private readonly server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const to = session.envelope.rcptTo.map(({ address }) => address).join(', ');
        this.keep(to, Buffer.concat(chunks)).then(() => callback(), callback);
      });
    },
  });

  /** @returns its URL, on a free port of this machine */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server.server, 'listening');
    return `smtp://127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  onModuleDestroy(): void {
    this.server.close();
  }

  private async keep(to: string, source: Buffer): Promise<void> {
    const { subject = '', text = '' } = await PostalMime.parse(source);
    this.mails.unshift({ to, subject, text, date: new Date() });
    this.mails.splice(KEPT);
  }
}

/** The content of the page `/mails`. Never show such a page to real users: these mails open accounts. */
@Controller('mails')
export class MailsController {
  constructor(private readonly catcher: MailCatcher) {}

  @Get()
  list(): readonly CaughtMail[] {
    return this.catcher.mails;
  }
}
