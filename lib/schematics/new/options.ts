/** The options of the schematic; `schema.json` has their defaults. */
export interface ApplicationOptions {
  readonly platform: 'express' | 'fastify';
  readonly accounts: boolean;
  /** Whether there is a page to log in and to see the devices. */
  readonly page: boolean;
  readonly packageManager: 'npm' | 'pnpm' | 'yarn';
  /** The version of nestjs-jwt-session in package.json. */
  readonly package?: string;
}
