import type { OnModuleInit, Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { type Mail, Mailer } from './mailer.js';

/** A mailer that the application provides somewhere; found when all its providers are there. */
export class ProvidedMailer extends Mailer implements OnModuleInit {
  private mailer!: Mailer;

  constructor(
    private readonly type: Type<Mailer>,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
  }

  onModuleInit(): void {
    this.mailer = this.moduleRef.get<Mailer>(this.type, { strict: false });
  }

  send(mail: Mail): Promise<void> {
    return this.mailer.send(mail);
  }
}
