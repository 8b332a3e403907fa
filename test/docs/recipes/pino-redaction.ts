import { FastifyAdapter } from '@nestjs/platform-fastify';

export const REDACTED_PATHS = [
  'req.headers.authorization',
  'req.headers.cookie',
  'req.headers["x-csrf-token"]',
  'req.body.password',
  'req.body.token',
  'req.body.refreshToken',
  'res.headers["set-cookie"]',
];

export const adapter = new FastifyAdapter({ logger: { redact: REDACTED_PATHS } });
