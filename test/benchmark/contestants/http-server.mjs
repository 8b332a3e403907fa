// node http-server.mjs <platform> <contestant> <database URL>: serves GET /me, and says how much processor time it
// took.
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SessionExchange, SessionGuard, SessionService } from '../../../dist/index.js';
import { LIBRARY } from '../support/result.mjs';
import { newProofKey, proofMint } from '../support/proofs.mjs';
import { tokenMint } from '../support/tokens.mjs';
import { documentedGuard, es256, fastJwtGuard, hs256, keyObjectGuard, passportGuard } from './guards.mjs';
import { libraryModule, privateKey, publicKey } from './library.mjs';

/** Clients that take turns. */
const CLIENTS = 100;
/** Who the tokens are bound to. */
const LOCAL_CLIENT = { ip: '127.0.0.1', userAgent: 'benchmark' };
const JWT_SECRET = 'the string secret of the documentation, of 32 bytes or more';

const [platform, name, url] = process.argv.slice(2);

const contestants = {
  // What the library's tokens cost to receive is no part of the guard.
  unguarded: async () => ({ title: 'limit: no guard', headers: () => bearer(Array(CLIENTS).fill('x'.repeat(630))) }),
  'unguarded-cookie': async () => ({
    title: 'limit: no guard, cookies',
    headers: () => cookies(Array(CLIENTS).fill('x'.repeat(630))),
  }),
  library: async () => library(LIBRARY, bearer),
  'library-cookie': async () => library(`${LIBRARY}, cookies`, cookies),
  'library-bound': async () => ({
    ...library(`${LIBRARY}, bound to address and user agent`, all => bearer(all)),
    module: metadata => libraryModule(url, { ...metadata, binding: { ip: 'always', userAgent: 'always' } }),
    // The binding is a digest of the session's id: no token can be made here.
    async headers(app) {
      const logIn = () => app.get(SessionService).logIn('ada', { claims: { role: 'user' }, ...LOCAL_CLIENT });
      const all = await Promise.all(Array.from({ length: CLIENTS }, logIn));
      return all.map(({ accessToken }) => ({
        authorization: `Bearer ${accessToken}`,
        'user-agent': LOCAL_CLIENT.userAgent,
      }));
    },
  }),
  'library-dpop': async () => ({
    title: `${LIBRARY}, DPoP`,
    guard: SessionGuard,
    // Proofs are made before a round.
    module: metadata =>
      libraryModule(url, { ...metadata, binding: { key: 'prefer' }, keyBinding: { dpop: { proofLifetime: '10m' } } }),
    async clients(app) {
      const logIn = async () => {
        const jwk = newProofKey();
        const headers = {
          host: 'login',
          'session-transport': 'bearer',
          dpop: proofMint(jwk, 'POST', 'http://login/')(),
        };
        const exchange = new SessionExchange({ method: 'POST', url: '/', protocol: 'http', headers });
        const options = { exchange, claims: { role: 'user' } };
        return { jwk, accessToken: (await app.get(SessionService).logIn('ada', options)).accessToken };
      };
      return Promise.all(Array.from({ length: CLIENTS }, logIn));
    },
  }),
  'fast-jwt': async () => ({ title: 'fast-jwt with its cache', guard: fastJwtGuard(publicKey), headers: es256Headers }),
  'key-object': async () => ({
    title: '@nestjs/jwt with a KeyObject',
    guard: keyObjectGuard(es256(publicKey)),
    headers: es256Headers,
  }),
  passport: async () => ({
    title: 'passport-jwt with a KeyObject',
    ...passportGuard(publicKey),
    headers: es256Headers,
  }),
  documented: async () => ({
    title: "Nest documentation's AuthGuard (HS256)",
    ...documentedGuard(JWT_SECRET),
    headers: () => bearer(tokens(hs256(JWT_SECRET))),
  }),
  async 'better-auth'() {
    const { BETTER_AUTH, cookiesOf, sessionByCookie, startBetterAuth } = await import('./better-auth.mjs');
    const { auth } = await startBetterAuth(url);
    class BetterAuthGuard {
      async canActivate(context) {
        const request = context.switchToHttp().getRequest();
        request.session = await sessionByCookie(auth, request.headers.cookie);
        return true;
      }
    }
    const headers = async () => (await cookiesOf(auth, CLIENTS)).map(cookie => ({ cookie }));
    return { title: `${BETTER_AUTH} with its cookie cache`, guard: BetterAuthGuard, headers };
  },
};

/** The library with tokens in one form. */
function library(title, headersOf) {
  return {
    title,
    guard: SessionGuard,
    module: metadata => libraryModule(url, metadata),
    async headers(app) {
      const { accessToken } = await app.get(SessionService).logIn('ada', { claims: { role: 'user' } });
      return headersOf(tokenMint(accessToken, privateKey)(CLIENTS));
    },
  };
}

/** Beside cookies of others, as a browser sends them. */
function cookies(all) {
  return all.map(token => ({
    cookie: `_ga=GA1.2.1234567890.1234567890; theme=dark; __Host-Http-access_token=${token}`,
  }));
}

function bearer(all) {
  return all.map(token => ({ authorization: `Bearer ${token}` }));
}

/** Of claims as many as the library's tokens have. */
function tokens(jwt) {
  const session = () => ({ sid: crypto.randomUUID(), jti: crypto.randomUUID(), role: 'user' });
  return Array.from({ length: CLIENTS }, () => jwt.sign({ sub: 'ada', ...session() }, { expiresIn: '1h' }));
}

function es256Headers() {
  return bearer(tokens(es256(publicKey, privateKey)));
}

const contestant = await contestants[name]();

class Routes {
  me() {
    return { userId: 'ada', role: 'user' };
  }
}
Get('me')(Routes.prototype, 'me', Object.getOwnPropertyDescriptor(Routes.prototype, 'me'));
Controller()(Routes);
if (contestant.guard) UseGuards(contestant.guard)(Routes);

const metadata = { controllers: [Routes], imports: contestant.imports ?? [] };
class PlainModule {}
Module(metadata)(PlainModule);
const module = contestant.module?.(metadata) ?? PlainModule;
const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(module, adapter, { logger: ['error'] });
await app.listen(0, '127.0.0.1');

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.send({
  title: contestant.title,
  url: `http://127.0.0.1:${app.getHttpServer().address().port}/me`,
  headers: await contestant.headers?.(app),
  clients: await contestant.clients?.(app),
});
