import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { SessionExchange } from './exchange.js';
import { untypedParameter } from './untyped-parameter.js';

/** Request and response of any platform, for `SessionService`, in place of `@Res({ passthrough: true })`. */
export const Exchange = createParamDecorator(
  (_: unknown, context: ExecutionContext) => SessionExchange.of(context),
  [untypedParameter],
);
