import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { fresh } from './tokens.mjs';

/** What guards use of a Fastify reply. */
class Reply {
  sent = false;
  headers = {};
  raw = { headersSent: false };

  header(name, value) {
    this.headers[name.toLowerCase()] = value;
    return this;
  }

  getHeader(name) {
    return this.headers[name.toLowerCase()];
  }

  status(code) {
    this.statusCode = code;
    return this;
  }
}

class Routes {
  me() {}
}

/**
 * What a guard is asked with: a request and a reply of its own for each call, with headers that a client sends.
 *
 * @param {Buffer} authorization
 */
export function contextOf(authorization) {
  const request = {
    method: 'GET',
    url: '/me',
    ip: '127.0.0.1',
    headers: {
      host: 'localhost:3000',
      connection: 'keep-alive',
      accept: 'application/json',
      'user-agent': 'benchmark',
      authorization: fresh(authorization),
    },
  };
  return new ExecutionContextHost([request, new Reply()], Routes, Routes.prototype.me);
}
