import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Provider, Type } from '@nestjs/common';

/** One of the three ways to give a module its options when the application starts. */
export interface AsyncOptions<Options, Factory> {
  imports?: ModuleMetadata['imports'];
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  // `never[]` takes factories with parameters of any type, as Nest resolves them by `inject`.
  useFactory?: (...dependencies: never[]) => Options | Promise<Options>;
  useClass?: Type<Factory>;
  useExisting?: InjectionToken<Factory>;
}

/**
 * The providers of `forRootAsync`.
 *
 * @param token under which the options are provided
 * @param create asks an instance of `useClass` or `useExisting` for the options
 */
export function asyncOptionsProviders<Options, Factory>(
  moduleName: string,
  token: InjectionToken,
  { useFactory, useClass, useExisting, inject = [] }: AsyncOptions<Options, Factory>,
  create: (factory: Factory) => Options | Promise<Options>,
): Provider[] {
  if (useFactory) return [{ provide: token, useFactory, inject }];
  const factory = useExisting ?? useClass;
  if (!factory) throw new Error(`${moduleName}.forRootAsync needs one of useFactory, useClass and useExisting`);
  return [...(useClass ? [useClass as Type<unknown>] : []), { provide: token, inject: [factory], useFactory: create }];
}
