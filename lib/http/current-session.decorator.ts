import { createParamDecorator, type ExecutionContext, InternalServerErrorException } from '@nestjs/common';
import type { UserSession } from '../session.types.js';
import { sessionOf, wasGuarded } from './session-of.js';
import { untypedParameter } from './untyped-parameter.js';

/** The session of the request. Undefined only on routes with `@OptionalSession()` or `@Public()`. */
export const CurrentSession = createParamDecorator(
  (_: unknown, context: ExecutionContext): UserSession | undefined => {
    if (!wasGuarded(context)) {
      const route = `${context.getClass().name}.${context.getHandler().name}`;
      throw new InternalServerErrorException(
        `@CurrentSession() in ${route}: no SessionGuard ran for this route. Put @UseGuards(SessionGuard) on it, or register the guard globally`,
      );
    }
    return sessionOf(context);
  },
  [untypedParameter],
);
