import { Injectable, RequestMethod, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { SESSION_CONTROLLER } from '../session.constants.js';

// Nest's own metadata keys of @Controller and RouterModule; their module of constants has no stable import path.
const PATH = 'path';
const VERSION = '__version__';
const MODULE_PATH = '__module_path__';

/** Finds out where the session controller is mounted, for the path of the refresh cookie. */
@Injectable()
export class MountedPath {
  private path?: string;

  constructor(
    private readonly modules: ModulesContainer,
    private readonly config: ApplicationConfig,
  ) {}

  /**
   * The path under which refresh and log-out lie, with the global prefix. `/` where that is not one path, so that the
   * cookie reaches the route in any case.
   */
  ofController(): string {
    return (this.path ??= this.find());
  }

  private find(): string {
    const paths = new Set(this.mounts().map(mount => this.pathOf(mount)));
    const [path] = paths;
    return paths.size === 1 ? path! : '/';
  }

  private mounts(): Mount[] {
    return [...this.modules.values()].flatMap(module =>
      [...module.controllers.values()]
        .map(({ metatype }) => ({ module: module.metatype, controller: metatype as object }))
        .filter(
          ({ controller }) => typeof controller === 'function' && Reflect.hasMetadata(SESSION_CONTROLLER, controller),
        ),
    );
  }

  private pathOf({ module, controller }: Mount): string {
    const path: unknown = Reflect.getMetadata(PATH, controller);
    const version: unknown = Reflect.getMetadata(VERSION, controller);
    const versioned = this.config.getVersioning()?.type === VersioningType.URI && version !== VERSION_NEUTRAL;
    if (typeof path !== 'string' || versioned) return '/';
    const withModule = `${this.modulePath(module)}/${path}`;
    const whole = this.isOutsidePrefix(withModule) ? withModule : `${this.config.getGlobalPrefix()}/${withModule}`;
    return /[:*{]/.test(whole) ? '/' : slashed(whole);
  }

  /** What RouterModule puts before the paths of a module's controllers. */
  private modulePath(module: object): string {
    const key = MODULE_PATH + this.modules.applicationId;
    return ((Reflect.getMetadata(key, module) ?? Reflect.getMetadata(MODULE_PATH, module)) as string | undefined) ?? '';
  }

  private isOutsidePrefix(path: string): boolean {
    const refresh = slashed(`${path}/refresh`);
    const excluded = this.config.getGlobalPrefixOptions().exclude ?? [];
    return excluded.some(
      ({ requestMethod, pathRegex }) =>
        (requestMethod === RequestMethod.ALL || requestMethod === RequestMethod.POST) && pathRegex.test(refresh),
    );
  }
}

interface Mount {
  readonly module: object;
  readonly controller: object;
}

function slashed(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}
