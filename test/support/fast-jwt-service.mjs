// fast-jwt knows no JWK Sets: its users fetch the key of a `kid` by jwks-rsa, which keeps it for ten minutes.
import { createVerifier } from 'fast-jwt';
import jwksRsa from 'jwks-rsa';
import { createInterface } from 'node:readline';

const [jwksUri, algorithm, issuer, audience] = process.argv.slice(2);

const keys = jwksRsa({ jwksUri });
const verify = createVerifier({
  key: async ({ header }) => (await keys.getSigningKey(header.kid)).getPublicKey(),
  algorithms: [algorithm],
  allowedIss: issuer,
  allowedAud: audience,
  checkTyp: 'at+jwt',
});

for await (const token of createInterface({ input: process.stdin })) {
  const answer = await verify(token).then(
    payload => ({ payload }),
    error => ({ error: error.message }),
  );
  console.log(JSON.stringify(answer));
}
