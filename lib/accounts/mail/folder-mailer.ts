import { Logger, type OnModuleInit } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Mail, Mailer } from './mailer.js';
import { type MailTransport, openTransport } from './transport.js';

/** Writes mails into a folder, as files that mail programs open: for development. */
export class FolderMailer extends Mailer implements OnModuleInit {
  private readonly logger = new Logger('AccountMail');
  private readonly folder: string;
  private transport?: MailTransport;

  constructor(folder: string) {
    super();
    this.folder = resolve(folder);
  }

  async onModuleInit(): Promise<void> {
    this.transport = await openTransport({ streamTransport: true, buffer: true });
    // Links in these mails open accounts: other users of the machine must not read them.
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    this.logger.warn(`mails are not sent but written to ${this.folder}: for development only`);
  }

  async send({ name, ...mail }: Mail): Promise<void> {
    const { message } = await this.transport!.sendMail(mail);
    const file = join(this.folder, `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${name}-${randomUUID()}.eml`);
    await writeFile(file, message as Buffer, { mode: 0o600 });
    this.logger.log(`a mail lies in ${file}`);
  }
}
