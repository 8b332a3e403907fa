import { type CanActivate, type ExecutionContext, Inject, type OnModuleInit, Scope, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { SessionOptionsError } from '../common/option-mistakes.js';
import type { SessionModuleExtras } from '../options/static-options.js';
import { SESSION_MODULE_EXTRAS } from '../session.constants.js';

/**
 * Runs the guard that option `verify` or `revocations` names: the application's own instance where it provides one, else
 * one made here.
 */
export abstract class CallerGuard implements CanActivate, OnModuleInit {
  protected abstract readonly option: 'verify' | 'revocations';
  private guard?: CanActivate;

  constructor(
    @Inject(SESSION_MODULE_EXTRAS) private readonly extras: SessionModuleExtras,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
  ) {}

  /** At start, so that a missing guard is reported there and not at the first request. */
  async onModuleInit(): Promise<void> {
    const { guard } = this.extras[this.option]!;
    this.guard = this.isProvided(guard) ? this.moduleRef.get(guard, { strict: false }) : await this.make(guard);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const answer = this.guard!.canActivate(context);
    // As Nest reads it; an observable that completes without a value refuses.
    return (await (isObservable(answer) ? lastValueFrom(answer, { defaultValue: false }) : answer)) === true;
  }

  private isProvided(guard: Type<CanActivate>): boolean {
    try {
      const { scope } = this.moduleRef.introspect(guard);
      if (scope === Scope.DEFAULT) return true;
    } catch {
      // The application does not provide it.
      return false;
    }
    throw new SessionOptionsError([
      `option "${this.option}": ${guard.name} or something that it injects is scoped: write a guard that is one for all requests`,
    ]);
  }

  private async make(guard: Type<CanActivate>): Promise<CanActivate> {
    try {
      return await this.moduleRef.create(guard);
    } catch (error) {
      throw new SessionOptionsError([
        `option "${this.option}": ${guard.name} cannot be made here: add it to the providers of a module that has what it injects (${error instanceof Error ? error.message : String(error)})`,
      ]);
    }
  }
}
