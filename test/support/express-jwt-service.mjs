// An Express application behind express-jwt and jwks-rsa, as their READMEs say; neither looks at `typ`. Each token on
// its input is brought to it in a request.
import express from 'express';
import { expressjwt } from 'express-jwt';
import jwksRsa from 'jwks-rsa';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const [jwksUri, algorithm, issuer, audience] = process.argv.slice(2);

const app = express();
const secret = jwksRsa.expressJwtSecret({ cache: true, rateLimit: true, jwksRequestsPerMinute: 5, jwksUri });
app.use(expressjwt({ secret, issuer, audience, algorithms: [algorithm] }));
app.get('/', (request, response) => response.json({ payload: request.auth }));
app.use((error, _request, response, _next) => response.status(error.status ?? 500).json({ error: error.message }));
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');

for await (const token of createInterface({ input: process.stdin })) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, {
    headers: { authorization: `Bearer ${token}` },
  });
  console.log(await answer.text());
}
process.exit();
