// What an application on Nest 11 may have: tests by Jest in CommonJS, which can load no ES module.
import { Test } from '@nestjs/testing';
import { SessionGuard } from 'nestjs-jwt-session';
import { FakeSessionGuard } from 'nestjs-jwt-session/testing';
import { applicationOn } from './application.js';
import { walk } from './walk.js';

const url = process.env.DATABASE_URLS!.split(' ')[0]!;

test('the CommonJS build is what Jest finds', () => {
  expect(require.resolve('nestjs-jwt-session')).toMatch(/index\.cjs$/);
});

test('the application logs in, guards, refreshes and logs out', async () => {
  // Encrypted tokens need jose, which is an ES module.
  const module = applicationOn(url, { accessToken: { encryption: 'A256GCM' } });
  const testing = await Test.createTestingModule({ imports: [module] }).compile();
  await walk(testing.createNestApplication());
});

test('the guard is replaced', async () => {
  const testing = await Test.createTestingModule({ imports: [applicationOn(url)] })
    .overrideGuard(SessionGuard)
    .useValue(new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } }))
    .compile();
  const app = testing.createNestApplication();
  await app.listen(0, '127.0.0.1');
  expect(await (await fetch(`${await app.getUrl()}/me`)).json()).toEqual({ userId: 'ada', role: 'admin' });
  await app.close();
});
