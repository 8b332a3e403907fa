// Prints how long requests for known and for unknown addresses take: `npm run build && node test/accounts/timing.mjs`.
// No part of the tests, because time on a busy machine proves nothing.
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';
import { ACCOUNT_MIGRATIONS, AccountModule, Mailer } from 'nestjs-jwt-session/accounts';
import { loadPostgres } from '../support/prepare.mjs';

const REQUESTS = 200;
const PASSWORD = 'a garden of seven oaks';
const KNOWN = 'known@example.com';
const PLENTY = { perAccount: 100, perAddress: 1_000_000, within: '1s' };

const { findBinaries, startTemporaryPostgres } = loadPostgres();
const server = await startTemporaryPostgres(findBinaries(process.cwd()));

const mails = [];
class Silent extends Mailer {
  async send(mail) {
    mails.push(mail);
  }
}
class MailModule {}
Module({ providers: [Silent] })(MailModule);

class Application {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: server.url,
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot(),
    MailModule,
    AccountModule.forRoot({
      baseUrl: 'http://localhost',
      mail: { from: 'x@localhost', mailer: Silent },
      attempts: { logIn: PLENTY, mail: PLENTY },
    }),
  ],
})(Application);
const app = await NestFactory.create(Application, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');

const post = (path, body) =>
  fetch(`${url}/account/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

await post('register', { email: KNOWN, password: PASSWORD });
while (mails.length === 0) await pause(20);
await post('verify-email', { token: mails[0].text.match(/#token=([\w-]+)/)[1] });

const median = times => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];

const requests = {
  'login, wrong password': email => post('login', { email, password: 'nine ships on a quiet sea' }),
  'forgot-password': email => post('forgot-password', { email }),
  'send-verification': email => post('send-verification', { email }),
  register: email => post('register', { email, password: PASSWORD }),
};

for (const [name, request] of Object.entries(requests)) {
  const times = { known: [], unknown: [] };
  for (let n = 0; n < REQUESTS + 20; n++) {
    const kind = n % 2 ? 'known' : 'unknown';
    const email = kind === 'known' ? KNOWN : `unknown-${name.slice(0, 3)}-${n}@example.com`;
    const start = performance.now();
    const response = await request(email);
    await response.text();
    const time = performance.now() - start;
    if (response.status === 429) {
      // The window of one second is over soon; what was refused is no measurement.
      await pause(1_000);
      continue;
    }
    // The first ones warm up.
    if (n >= 20) times[kind].push(time);
    // Work after the answer must not be counted with the next request.
    await pause(120);
  }
  const [known, unknown] = [median(times.known), median(times.unknown)];
  const apart = (100 * Math.abs(known - unknown)) / Math.max(known, unknown);
  console.log(
    `${name}: median of ${times.known.length} known ${known.toFixed(2)} ms, of ${times.unknown.length} unknown ${unknown.toFixed(2)} ms, ${apart.toFixed(1)} % apart`,
  );
}

await app.close();
await server.stop();
