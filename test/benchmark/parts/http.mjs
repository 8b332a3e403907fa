// Requests per second of a guarded route beside the same route without a guard, each server in a process of its own.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { answersOf } from '../support/answers.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { proofMint } from '../support/proofs.mjs';
import { median, shuffled, spread, sum } from '../support/statistics.mjs';

const SERVER = fileURLToPath(new URL('../contestants/http-server.mjs', import.meta.url));
const CONNECTIONS = 32;
const WARM_UP = 2.5;
const ROUNDS = 4;
const ROUND = 1;
const MAX_PROOFS_PER_SECOND = 12_000;

/** The names of `http-server.mjs`. */
const CONTESTANTS = {
  fastify: [
    'unguarded',
    'library',
    'unguarded-cookie',
    'library-cookie',
    'library-bound',
    'library-dpop',
    'fast-jwt',
    'key-object',
    'passport',
    'documented',
    'better-auth',
  ],
  express: ['unguarded', 'library', 'passport', 'documented'],
};

/** @returns {Promise<import('../support/result.mjs').Result[]>} */
export function measurePart() {
  return withPostgres(async ({ createDatabase }) => {
    const results = [];
    for (const [platform, names] of Object.entries(CONTESTANTS)) {
      const children = [];
      try {
        for (const name of names) {
          const url = await createDatabase(`${platform}_${name.replaceAll('-', '_')}`);
          children.push(fork(SERVER, [platform, name, url], { env: { PATH: process.env.PATH } }));
        }
        results.push(...(await measurePlatform(platform, await Promise.all(children.map(serverOf)))));
      } finally {
        for (const child of children) child.kill('SIGKILL');
      }
    }
    return results;
  });
}

async function measurePlatform(platform, servers) {
  const measure = `guarded route, ${platform}`;
  console.error(`  ${measure} …`);
  const taken = new Map(servers.map(server => [server, []]));
  for (const server of servers) await load(server, WARM_UP);
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of shuffled(servers)) taken.get(server).push(await load(server, ROUND));
  }
  return servers.map(server => {
    const rounds = taken.get(server);
    const perSecond = rounds.map(({ requests, seconds }) => requests / seconds);
    const cpu = sum(rounds.map(round => round.cpu));
    const busy = cpu / sum(rounds.map(({ seconds }) => seconds)) / 1_000_000;
    if (busy < 0.9)
      console.error(`  ${server.title}: had ${busy.toFixed(2)} of a core, something else was the bottleneck`);
    const requests = sum(rounds.map(round => round.requests));
    return {
      measure,
      contestant: server.title,
      unit: 'requests/s',
      value: median(perSecond),
      spread: spread(perSecond),
      rounds: perSecond,
      cpu: cpu / requests,
      busy,
    };
  });
}

async function load(server, duration) {
  const requestsOfRound = requestsTo(server, duration);
  const before = await server.cpu();
  const began = performance.now();
  const { requests, non2xx, errors } = await autocannon({
    url: server.url,
    duration,
    connections: CONNECTIONS,
    requests: requestsOfRound,
  });
  const seconds = (performance.now() - began) / 1_000;
  if (non2xx > 0 || errors > 0) throw new Error(`${server.title}: ${non2xx} refused, ${errors} failed`);
  return { requests: requests.total, seconds, cpu: (await server.cpu()) - before };
}

/** Those with a fresh proof each are made before the round. */
function requestsTo({ headers, clients, url }, duration) {
  if (!clients) return headers.map(each => ({ headers: each }));
  const mints = clients.map(({ jwk, accessToken }) => {
    const mint = proofMint(jwk, 'GET', url, accessToken);
    return () => ({ authorization: `DPoP ${accessToken}`, dpop: mint() });
  });
  let made = 0;
  const make = () => mints[made++ % mints.length]();
  const ready = Array.from({ length: duration * MAX_PROOFS_PER_SECOND }, make);
  return [{ setupRequest: request => ({ ...request, headers: ready.pop() ?? make() }) }];
}

async function serverOf(child) {
  const answer = answersOf(child, 'a server');
  return {
    ...(await answer()),
    async cpu() {
      child.send('cpu');
      return (await answer()).cpu;
    },
  };
}
