import { SetMetadata } from '@nestjs/common';
import { OPTIONAL_SESSION, PUBLIC_ROUTE } from '../session.constants.js';

/** Lets everybody in, without looking at credentials: for a route under a global or a controller's `SessionGuard`. */
export const Public = () => SetMetadata(PUBLIC_ROUTE, true);

/** Lets requests without credentials in; those with bad ones are refused as always. */
export const OptionalSession = () => SetMetadata(OPTIONAL_SESSION, true);
