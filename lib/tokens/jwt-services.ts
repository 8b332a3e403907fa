import { JwtService, type JwtModuleOptions } from '@nestjs/jwt';
import type { VerificationKey } from '../keys/key-ring.js';

/**
 * A `JwtService` for each key, which has its options from the beginning: `JwtService` copies those that are given with
 * a call, which takes a quarter of its work beside the cryptography. None is a provider, so that
 * `app.get(JwtService)` finds the application's own.
 */
export class JwtServices {
  private readonly services = new WeakMap<VerificationKey, JwtService>();

  of<Key extends VerificationKey>(key: Key, options: (key: Key) => JwtModuleOptions): JwtService {
    let service = this.services.get(key);
    if (!service) this.services.set(key, (service = new JwtService(options(key))));
    return service;
  }
}
