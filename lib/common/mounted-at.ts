import { Controller, type Type, VERSION_NEUTRAL } from '@nestjs/common';

// Nest's own metadata key of @Controller; its module of constants has no stable import path.
const PATH = 'path';

/** The controller at the given path: itself where it declares that path, else a subclass. */
export function mountedAt<T>(controller: Type<T>, path: string): Type<T> {
  if (Reflect.getMetadata(PATH, controller) === path) return controller;

  @Controller({ path, version: VERSION_NEUTRAL })
  class MountedController extends (controller as Type<object>) {}
  return MountedController as Type<T>;
}
