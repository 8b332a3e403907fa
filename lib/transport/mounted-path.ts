import { Injectable, RequestMethod, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { SESSION_CONTROLLER } from '../session.constants.js';

// Nest's own metadata keys of @Controller; its module of constants has no stable import path.
const PATH = 'path';
const VERSION = '__version__';

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
    const paths = new Set(this.controllers().map(controller => this.pathOf(controller)));
    const [path] = paths;
    return paths.size === 1 ? path! : '/';
  }

  private controllers(): object[] {
    return [...this.modules.values()]
      .flatMap(module => [...module.controllers.values()])
      .map(({ metatype }) => metatype)
      .filter(type => typeof type === 'function' && Reflect.hasMetadata(SESSION_CONTROLLER, type)) as object[];
  }

  private pathOf(controller: object): string {
    const path: unknown = Reflect.getMetadata(PATH, controller);
    const version: unknown = Reflect.getMetadata(VERSION, controller);
    const versioned = this.config.getVersioning()?.type === VersioningType.URI && version !== VERSION_NEUTRAL;
    if (typeof path !== 'string' || path.includes(':') || versioned) return '/';
    return slashed(this.isOutsidePrefix(path) ? path : `${this.config.getGlobalPrefix()}/${path}`);
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

function slashed(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}
