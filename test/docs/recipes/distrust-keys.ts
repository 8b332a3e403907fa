import { NestFactory } from '@nestjs/core';
import { SessionService } from 'nestjs-jwt-session';

/** A script of its own, or a route for administrators. */
export async function distrustKeys(applicationModule: new () => object): Promise<void> {
  const app = await NestFactory.createApplicationContext(applicationModule);
  await app.get(SessionService).rotateKeys({ distrust: true });
  await app.close();
}
