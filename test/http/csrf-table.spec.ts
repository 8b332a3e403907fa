import { Controller, HttpCode, type INestApplication, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isSameSite } from '../../lib/http/same-site.js';
import { send } from '../support/client.js';

const TRUSTED = 'https://trusted.example';

const SITES = [
  undefined,
  '',
  'same-origin',
  'none',
  'same-site',
  'cross-site',
  'Same-Origin',
  'same-origin, cross-site',
];
const ORIGINS = [
  undefined,
  '',
  'null',
  'http://HOST',
  'https://HOST',
  'HTTP://HOST',
  'http://HOST.evil.example',
  'http://evil.example',
  TRUSTED,
  `${TRUSTED}:8443`,
  `${TRUSTED}.evil.example`,
  `${TRUSTED}, http://evil.example`,
  'nonsense',
];

@Controller()
class ProbeController {
  @Post('probe')
  @HttpCode(200)
  probe() {}
}

@Module({ controllers: [ProbeController] })
class ProbeModule {}

describe("F9: the decision table is that of Nest's app.enableCsrfProtection()", () => {
  let app: INestApplication;
  let url: string;
  beforeAll(async () => {
    app = await NestFactory.create(ProbeModule, { logger: false });
    app.enableCsrfProtection({ trustedOrigins: [TRUSTED] });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterAll(() => app?.close());

  const cases = SITES.flatMap(site => ORIGINS.map(origin => [site, origin] as const));

  it.each(cases)('for Sec-Fetch-Site %j and Origin %j', async (fetchSite, template) => {
    const { host } = new URL(url);
    const origin = template?.replace('HOST', host);
    const headers = {
      ...(fetchSite === undefined ? {} : { 'sec-fetch-site': fetchSite }),
      ...(origin === undefined ? {} : { origin }),
    };
    const { status } = await send(`${url}/probe`, { method: 'POST', headers });
    expect(isSameSite({ fetchSite, origin, host }, [TRUSTED])).toBe(status === 200);
  });

  it.each([
    ['https://app.example', 'app.example:443', true],
    ['http://app.example', 'app.example:80', true],
    ['http://app.example', 'APP.example', true],
    ['https://app.example', 'app.example:80', false],
    ['https://app.example:8443', 'app.example', false],
    ['https://app.example', 'api.app.example', false],
    ['file://', '', false],
    ['https://app.example', undefined, false],
  ])('compares the origin %s with the host %s, ignoring default ports', (origin, host, same) => {
    expect(isSameSite({ origin, host }, [])).toBe(same);
  });
});
