import { SetMetadata } from '@nestjs/common';
import { OPTIONAL_SESSION, PUBLIC_ROUTE } from '../session.constants.js';

/**
 * Admits every request without checking credentials: for a route under a `SessionGuard` of the application or
 * controller.
 */
export const Public = () => SetMetadata(PUBLIC_ROUTE, true);

/** Admits requests without credentials as well. Requests with invalid credentials are still refused. */
export const OptionalSession = () => SetMetadata(OPTIONAL_SESSION, true);
