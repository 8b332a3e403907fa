import { createRemoteJWKSet, type ExportedJWKSCache, jwksCache, jwtVerify } from 'jose';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { GeneratedAlgorithm } from '../../lib/options/token-options.js';
import type { Members } from './forged-token.js';

/** The configuration of another service: where the keys are, and which tokens are meant for it. */
export interface Trust {
  readonly jwksUri: string;
  readonly issuer: string;
  readonly audience: string;
  readonly algorithm: GeneratedAlgorithm;
  /** The time of the application that issues the tokens. */
  readonly now: () => number;
}

/** Another service, with somebody else's library at its defaults. */
export interface ForeignService {
  /** The payload of a token that the library accepts; rejects any other. */
  verify(token: string): Promise<Members>;
  close(): Promise<unknown>;
}

/**
 * jose keeps a JWK Set for ten minutes, and in the first thirty seconds of them fetches none for an unknown `kid`
 * either: the strictest of all, for it has to know the next key before that signs. It keeps time by the system's clock
 * and takes its cache, with the time of the fetch, from where the caller keeps it. That hook carries the application's
 * time.
 */
export function joseService({ jwksUri, issuer, audience, algorithm, now }: Trust): ForeignService {
  let kept: ExportedJWKSCache | undefined;
  return {
    async verify(token) {
      const ahead = now() - Date.now();
      const cache: Partial<ExportedJWKSCache> = kept ? { ...kept, uat: kept.uat - ahead } : {};
      const keys = createRemoteJWKSet(new URL(jwksUri), { [jwksCache]: cache as ExportedJWKSCache });
      const expected = { issuer, audience, typ: 'at+jwt', algorithms: [algorithm], currentDate: new Date(now()) };
      try {
        return (await jwtVerify(token, keys, expected)).payload;
      } finally {
        if (cache.jwks) kept = { jwks: cache.jwks, uat: cache.uat! + ahead };
      }
    },
    close: () => Promise.resolve(),
  };
}

/** A service in a process of its own: it answers each token, a line of its input, with a line of JSON. */
export function serviceProcess(command: string, script: string) {
  return ({ jwksUri, algorithm, issuer, audience }: Trust): ForeignService => {
    const child = spawn(command, [`test/support/${script}`, jwksUri, algorithm, issuer, audience], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      async verify(token) {
        child.stdin.write(`${token}\n`);
        const { value, done } = await answers.next();
        if (done) throw new Error(`${script} has ended`);
        const { payload, error } = JSON.parse(value) as { payload?: Members; error?: string };
        if (!payload) throw new Error(error);
        return payload;
      },
      close() {
        child.stdin.end();
        return exit;
      },
    };
  };
}
