import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { SessionService } from 'nestjs-jwt-session';

@Controller('health')
export class HealthController {
  constructor(private readonly sessions: SessionService) {}

  @Get()
  async check() {
    const status = await this.sessions.status();
    if (status.status !== 'up') throw new ServiceUnavailableException(status);
    return status;
  }
}
