// Knows whose request it is by better-auth, as often as it is asked to.
import { callFor } from '../support/calls.mjs';
import { inTurn } from '../support/tokens.mjs';
import { cookiesOf, sessionByCookie, startBetterAuth } from './better-auth.mjs';
import { call } from './verifiers.mjs';

const [url, population] = process.argv.slice(2);
const { auth, pool } = await startBetterAuth(url);
const cookies = inTurn(await cookiesOf(auth, Number(population)));
const contestant = call('better-auth', cookies, cookie => sessionByCookie(auth, cookie));

process.on('message', async milliseconds => process.send(await callFor(contestant, milliseconds)));
process.on('disconnect', () => pool.end());
process.send('ready');
