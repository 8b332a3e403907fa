// What it costs to know whose request it is: by a token seen before, one never seen, a forged one.
import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { SessionGuard, SessionService } from '../../../dist/index.js';
import { BETTER_AUTH } from '../contestants/better-auth.mjs';
import {
  documentedGuard,
  es256,
  fastJwtGuard,
  fastJwtVerifier,
  hs256,
  keyObjectGuard,
  passportGuard,
} from '../contestants/guards.mjs';
import { privateKey, publicKey, startLibraryOnFastify } from '../contestants/library.mjs';
import { startSupertokens, SUPERTOKENS } from '../contestants/supertokens.mjs';
import { bareVerifier, call, guarded, mapLookup, refused } from '../contestants/verifiers.mjs';
import { answersOf } from '../support/answers.mjs';
import { timeCalls } from '../support/calls.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { LIBRARY } from '../support/result.mjs';
import { asBytes, bearer, inTurn, tokenMint } from '../support/tokens.mjs';

/** Tokens in use at the same time; fewer than the smallest cache among the contestants holds. */
const POPULATION = 500;

const JWT_SECRET = 'the string secret of the documentation, of 32 bytes or more';

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const guards = { documented: documentedGuard(JWT_SECRET), passport: passportGuard(publicKey) };
    const app = await startLibraryOnFastify(await createDatabase('library'), {
      imports: [...guards.documented.imports, ...guards.passport.imports],
      providers: [guards.documented.guard, guards.passport.guard],
    });
    const { supertokens, pool } = await startSupertokens(await createDatabase('supertokens'));
    const betterAuth = await startApart('better-auth-process.mjs', await createDatabase('better_auth'), POPULATION);
    try {
      const { accessToken } = await app.get(SessionService).logIn('ada', { claims: { role: 'user' } });
      return [
        ...(await measureWarm(app, accessToken, guards, supertokens, betterAuth)),
        ...(await measureFirstSeen(app, accessToken)),
        ...(await measureForged(app, accessToken, supertokens)),
      ];
    } finally {
      await app.close();
      betterAuth.stop();
      await pool.end();
    }
  });
}

async function measureWarm(app, accessToken, { documented, passport }, supertokens, betterAuth) {
  const sessions = app.get(SessionService);
  const tokens = tokenMint(accessToken, privateKey)(POPULATION);
  const known = inTurn(tokens);
  const knownHeaders = inTurn(bearer(tokens));
  const jwt = hs256(JWT_SECRET);
  const hmacTokens = tokens.map((_, user) => jwt.sign({ sub: `user ${user}`, role: 'user' }, { expiresIn: '1h' }));
  const hmacHeaders = inTurn(bearer(hmacTokens));
  const superTokens = [];
  for (let user = 0; user < POPULATION; user++) {
    superTokens.push((await supertokens.createNewSession(`user ${user}`, { role: 'user' })).accessToken.value);
  }
  return timeCalls('warm token', [
    mapLookup(300, POPULATION),
    mapLookup(accessToken.length, POPULATION),
    call(`${LIBRARY}, SessionService.verify`, known, token => sessions.verify(token)),
    guarded(`${LIBRARY}, SessionGuard`, knownHeaders, app.get(SessionGuard)),
    call('fast-jwt with its cache', known, fastJwtVerifier(publicKey)),
    guarded('fast-jwt with its cache, in a guard', knownHeaders, new (fastJwtGuard(publicKey))()),
    guarded('@nestjs/jwt with a KeyObject (HS256), in a guard', hmacHeaders, new (keyObjectGuard(jwt))()),
    guarded('@nestjs/jwt with a KeyObject, in a guard', knownHeaders, new (keyObjectGuard(es256(publicKey)))()),
    guarded('passport-jwt with a KeyObject', knownHeaders, app.get(passport.guard)),
    guarded("Nest documentation's AuthGuard (HS256)", hmacHeaders, app.get(documented.guard)),
    call(`${SUPERTOKENS} (HS256)`, inTurn(superTokens), token => supertokens.getSession(token, null)),
    // Apart: it uses AsyncLocalStorage, which makes every promise of its process slower.
    { name: `${BETTER_AUTH} with its cookie cache`, callFor: betterAuth.callFor },
  ]);
}

/** A contestant in a process of its own. */
async function startApart(script, ...parameters) {
  const child = fork(new URL(`../contestants/${script}`, import.meta.url), parameters.map(String));
  const answer = answersOf(child, script);
  await answer();
  return {
    callFor(milliseconds) {
      child.send(milliseconds);
      return answer();
    },
    stop: () => child.disconnect(),
  };
}

async function measureFirstSeen(app, accessToken) {
  const sessions = app.get(SessionService);
  const mint = tokenMint(accessToken, privateKey);
  const unseen = count => asBytes(mint(count));
  const unseenHeaders = count => asBytes(bearer(mint(count)));
  const jwt = es256(publicKey);
  return timeCalls('first-seen token', [
    call('limit: bare node:crypto', unseen, bareVerifier(publicKey)),
    call(`${LIBRARY}, SessionService.verify`, unseen, token => sessions.verify(token)),
    guarded(`${LIBRARY}, SessionGuard`, unseenHeaders, app.get(SessionGuard)),
    call('@nestjs/jwt with a KeyObject', unseen, token => jwt.verify(token)),
    call('fast-jwt with its cache', unseen, fastJwtVerifier(publicKey)),
  ]);
}

async function measureForged(app, accessToken, supertokens) {
  const sessions = app.get(SessionService);
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const forge = tokenMint(accessToken, foreign);
  const mint = tokenMint(accessToken, privateKey);
  const genuine = await supertokens.createNewSession('ada', { role: 'user' });
  const alter = () => genuine.accessToken.value.replace(/.{10}$/, () => crypto.randomUUID().slice(0, 10));
  const unseen = count => asBytes(mint(count));
  const unseenHeaders = count => asBytes(bearer(mint(count)));
  const forged = count => asBytes(forge(count));
  const forgedHeaders = count => asBytes(bearer(forge(count)));
  const altered = count => asBytes(Array.from({ length: count }, alter));
  return timeCalls('forged token', [
    call(`${LIBRARY}, SessionService.verify, a first-seen token`, unseen, token => sessions.verify(token)),
    guarded(`${LIBRARY}, SessionGuard, a first-seen token`, unseenHeaders, app.get(SessionGuard)),
    refused(call(`${LIBRARY}, SessionService.verify`, forged, token => sessions.verify(token))),
    refused(guarded(`${LIBRARY}, SessionGuard`, forgedHeaders, app.get(SessionGuard))),
    refused(call(`${SUPERTOKENS} (HS256)`, altered, token => supertokens.getSession(token, null))),
  ]);
}
