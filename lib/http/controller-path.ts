import { RequestMethod, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import type { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { SESSION_CONTROLLER } from '../session.constants.js';

// Nest's own metadata keys of @Controller and RouterModule; their module of constants has no stable import path.
const PATH = 'path';
const VERSION = '__version__';
const MODULE_PATH = '__module_path__';

interface Mount {
  readonly module: object;
  readonly controller: object;
}

/**
 * The path under which refresh and log-out are mounted, with the global prefix: the path of the refresh cookie. `/`
 * where it is not one fixed path, so that the cookie reaches the route in any case.
 */
export function findControllerPath(modules: ModulesContainer, config: ApplicationConfig): string {
  const paths = new Set(findMounts(modules).map(mount => pathOf(mount, modules, config)));
  const [path] = paths;
  return paths.size === 1 ? path! : '/';
}

function findMounts(modules: ModulesContainer): Mount[] {
  return [...modules.values()].flatMap(module =>
    [...module.controllers.values()]
      .map(({ metatype }) => ({ module: module.metatype, controller: metatype as object }))
      .filter(
        ({ controller }) => typeof controller === 'function' && Reflect.hasMetadata(SESSION_CONTROLLER, controller),
      ),
  );
}

function pathOf({ module, controller }: Mount, modules: ModulesContainer, config: ApplicationConfig): string {
  const path: unknown = Reflect.getMetadata(PATH, controller);
  const version: unknown = Reflect.getMetadata(VERSION, controller);
  const isVersioned = config.getVersioning()?.type === VersioningType.URI && version !== VERSION_NEUTRAL;
  if (typeof path !== 'string' || isVersioned) return '/';
  const withModule = `${modulePath(module, modules)}/${path}`;
  const whole = isOutsidePrefix(withModule, config) ? withModule : `${config.getGlobalPrefix()}/${withModule}`;
  return /[:*{]/.test(whole) ? '/' : normalized(whole);
}

/** The path that RouterModule puts before the paths of a module's controllers. */
function modulePath(module: object, { applicationId }: ModulesContainer): string {
  const path: unknown =
    Reflect.getMetadata(MODULE_PATH + applicationId, module) ?? Reflect.getMetadata(MODULE_PATH, module);
  return (path as string | undefined) ?? '';
}

function isOutsidePrefix(path: string, config: ApplicationConfig): boolean {
  const refresh = normalized(`${path}/refresh`);
  const excluded = config.getGlobalPrefixOptions().exclude ?? [];
  return excluded.some(
    ({ requestMethod, pathRegex }) =>
      (requestMethod === RequestMethod.ALL || requestMethod === RequestMethod.POST) && pathRegex.test(refresh),
  );
}

function normalized(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}
