import { Module } from '@nestjs/common';
import { SessionVerifierModule } from 'nestjs-jwt-session/verifier';
import { verifierOptions } from './settings.js';
import { WeatherController } from './weather.controller.js';

@Module({
  imports: [SessionVerifierModule.forRoot(verifierOptions())],
  controllers: [WeatherController],
})
export class AppModule {}
