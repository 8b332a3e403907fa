import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AccessTokenInvalidError } from 'nestjs-jwt-session';
import { ACCESS_COOKIE, send } from '../support/client.js';
import { type Members, segment, signed } from '../support/forged-token.js';
import { statementsDuring } from '../support/statement-watch.js';
import { PLATFORMS, startTestApp, type TestApp } from '../support/test-app.js';
import { openWorkshop, type Workshop } from './forgeries.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The same bytes for Node's decoder, another text: the lowest bit of the last character carries nothing. */
function withSpareBit(text: string): string {
  if (text.length % 4 === 0) throw new Error(`no spare bits in ${text.length} characters`);
  const other = ALPHABET[ALPHABET.indexOf(text.at(-1)!) | 1]!;
  return text.slice(0, -1) + other;
}

/** The content, with another claim if its encoding would have no spare bits. */
function segmentWithSpareBits(content: Members): string {
  const text = segment(content);
  return text.length % 4 === 0 ? segment({ ...content, note: '' }) : text;
}

/** Its encoding differs between base64 and base64url. */
const TWO_ALPHABETS = '~~~???ÿÿÿ';

const inBase64 = (text: string) => text.replaceAll('-', '+').replaceAll('_', '/');

/** Ways to write a segment that decoders take and RFC 7515 does not. */
const MISSPELLINGS: readonly [string, (text: string) => string][] = [
  ['padding', text => text.padEnd(Math.ceil((text.length + 1) / 4) * 4, '=')],
  ['one character of padding', text => `${text}=`],
  ['a space in front', text => ` ${text}`],
  ['a space inside', text => `${text.slice(0, 8)} ${text.slice(8)}`],
  ['a line break at the end', text => `${text}\n`],
  ['a line break inside', text => `${text.slice(0, 8)}\r\n${text.slice(8)}`],
  ['a character of no alphabet', text => `${text.slice(0, 8)}!${text.slice(8)}`],
  ['a NUL inside', text => `${text.slice(0, 8)}\0${text.slice(8)}`],
  ['a letter that is not ASCII', text => `${text.slice(0, 8)}é${text.slice(8)}`],
  ['one character too many', text => text.padEnd(Math.ceil(text.length / 4) * 4 + 1, 'A')],
  ['nothing in it', () => ''],
];

describe('the form of access tokens', () => {
  let test: TestApp;
  let workshop: Workshop;
  beforeAll(async () => {
    test = await startTestApp();
    workshop = await openWorkshop(test, '');
  });
  afterAll(() => test?.close());

  async function expectRefused(token: string): Promise<void> {
    const taken = await statementsDuring(test, () =>
      expect(test.sessions.verify(token)).rejects.toThrow(AccessTokenInvalidError),
    );
    expect(taken).toEqual([]);
  }

  describe.each(MISSPELLINGS)('J05: %s', (_name, misspell) => {
    // Signed as it is written, so that not the signature gives it away.
    it('in the header', async () => {
      const header = segment(workshop.header);
      await expectRefused(signed(`${misspell(header)}.${segment(workshop.payload)}`, workshop.own));
    });

    it('in the payload', async () => {
      const payload = segment({ ...workshop.payload, note: TWO_ALPHABETS });
      await expectRefused(signed(`${segment(workshop.header)}.${misspell(payload)}`, workshop.own));
    });

    it('in the signature', async () => {
      const input = `${segment(workshop.header)}.${segment(workshop.payload)}`;
      await expectRefused(signed(input, workshop.own).replace(/[^.]+$/, misspell));
    });
  });

  it('J05: the alphabet of base64, in payload and signature', async () => {
    const { header, payload, own } = workshop;
    const body = segment({ ...payload, note: TWO_ALPHABETS });
    expect(inBase64(body)).not.toBe(body);
    await expectRefused(signed(`${segment(header)}.${inBase64(body)}`, own));
    let token: string;
    do token = signed(`${segment(header)}.${body}`, own);
    while (!/[-_]/.test(token.split('.')[2]!));
    await expect(test.sessions.verify(token)).resolves.toBeDefined();
    await expectRefused(token.replace(/[^.]+$/, inBase64));
  });

  it('J05: spare bits that are not zero, in each segment', async () => {
    const { genuine, header, payload, own } = workshop;
    const [, , signature] = genuine.split('.') as [string, string, string];
    const body = segmentWithSpareBits(payload);
    // The control: the claim that makes the spare bits changes nothing.
    await expect(test.sessions.verify(signed(`${segment(header)}.${body}`, own))).resolves.toBeDefined();
    await expectRefused(signed(`${segment(header)}.${withSpareBit(body)}`, own));
    await expectRefused(genuine.replace(signature, withSpareBit(signature)));
    await expectRefused(signed(`${withSpareBit(segment(header))}.${segment(payload)}`, own));
  });

  it('J05: every number of segments but three', async () => {
    const { genuine } = workshop;
    const [header, payload, signature] = genuine.split('.') as [string, string, string];
    const wrong = ['', '.', '..', '...', header, `${header}.${payload}`, `${header}.${payload}.`, `${genuine}.`];
    const more = [
      `.${genuine}`,
      `${genuine}.${signature}`,
      `${genuine}.a.b`,
      `${header}..${signature}`,
      `.${payload}.`,
    ];
    for (const token of [...wrong, ...more]) await expectRefused(token);
  });

  it('J05: a token of 1 MB is refused before it is parsed', async () => {
    const { header, payload, own, genuine } = workshop;
    const huge = signed(`${segment(header)}.${segment({ ...payload, filler: 'x'.repeat(1_000_000) })}`, own);
    for (const token of [huge, 'A'.repeat(1_000_000), '.'.repeat(1_000_000), `${genuine}${'A'.repeat(1_000_000)}`]) {
      await expectRefused(token);
    }
  });

  it('J05: the cap is on the length alone', async () => {
    const { header, payload, own } = workshop;
    const sized = (length: number) =>
      signed(`${segment(header)}.${segment({ ...payload, filler: 'x'.repeat(length) })}`, own);
    await expect(test.sessions.verify(sized(4_000))).resolves.toBeDefined();
    await expectRefused(sized(9_000));
  });

  it('what is no string at all is refused as a token, not as an accident', async () => {
    for (const nothing of [undefined, null, 7, {}, ['a.b.c']]) await expectRefused(nothing as unknown as string);
  });

  it.each([
    ['an array', '[]'],
    ['text', '"sub"'],
    ['null', 'null'],
    ['no JSON', 'sub=ada'],
    ['nothing', ''],
  ])('J05: a payload that is %s', async (_name, payload) => {
    await expectRefused(signed(`${segment(workshop.header)}.${segment(payload)}`, workshop.own));
  });
});

describe.each(PLATFORMS)('access tokens in requests on %s', platform => {
  let test: TestApp;
  let workshop: Workshop;
  beforeAll(async () => {
    test = await startTestApp({ platform });
    workshop = await openWorkshop(test, '');
  });
  afterAll(() => test?.close());

  it.each(['Bearer', 'Bearer ', 'bearer    ', 'Bearer .', 'Bearer a b c', 'Bearer null'])(
    'J05: Authorization: "%s" is a refused token, not a missing one',
    async authorization => {
      const taken = await statementsDuring(test, async () => {
        const answer = await send(`${test.url}/me`, { headers: { authorization } });
        expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
      });
      expect(taken).toEqual([]);
    },
  );

  it('J05: as long a token as a header can hold is refused', async () => {
    const authorization = `Bearer ${workshop.genuine}.${'A'.repeat(12_000)}`;
    const answer = await send(`${test.url}/me`, { headers: { authorization } });
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
  });

  it('an empty access cookie is a refused token', async () => {
    const answer = await send(`${test.url}/me`, { headers: { cookie: `${ACCESS_COOKIE}=` } });
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'access_token_invalid' } });
  });

  it('C08: a token in the URL or in a body is ignored', async () => {
    const { genuine } = workshop;
    for (const name of ['token', 'access_token', 'accessToken', 'authorization', ACCESS_COOKIE]) {
      const answer = await send(`${test.url}/me?${name}=${encodeURIComponent(genuine)}`);
      expect(answer).toMatchObject({ status: 401, body: { errorCode: 'session_missing' } });
    }
    const body = { access_token: genuine, accessToken: genuine };
    const answer = await send(`${test.url}/act`, { method: 'POST', body });
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'session_missing' } });
  });

  it('C08: a refresh token in the URL is ignored', async () => {
    const { refreshToken } = await test.sessions.logIn('ada', { transport: 'bearer' });
    const answer = await send(`${test.url}/session/refresh?refreshToken=${refreshToken}`, { method: 'POST' });
    expect(answer).toMatchObject({ status: 401, body: { errorCode: 'session_missing' } });
  });
});
