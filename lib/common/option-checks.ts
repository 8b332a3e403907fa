import {
  IsOptional,
  registerDecorator,
  validateSync,
  type ValidationArguments,
  type ValidationError,
  type ValidationOptions,
} from 'class-validator';
import { describeDuration, parseDuration } from './duration.js';

function define(name: string, check: (value: unknown) => string | undefined, options?: ValidationOptions) {
  return (target: object, propertyName: string): void =>
    registerDecorator({
      name,
      target: target.constructor,
      propertyName,
      options,
      validator: {
        validate: value => check(value) === undefined,
        defaultMessage: (args?: ValidationArguments) => {
          const value: unknown = args?.value;
          const faulty = options?.each && Array.isArray(value) ? value.find(one => check(one) !== undefined) : value;
          return check(faulty) ?? '';
        },
      },
    });
}

function both(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (target, key) => decorators.forEach(decorate => decorate(target, key));
}

/** A duration with a unit, within bounds. */
export function IsDuration(bounds: { least?: string; most?: string; orNone?: boolean } = {}): PropertyDecorator {
  const least = parseDuration(bounds.least ?? '0s')!;
  const most = bounds.most === undefined ? Infinity : parseDuration(bounds.most)!;
  return both(
    IsOptional(),
    define('isDuration', value => {
      if (bounds.orNone && value === 'none') return undefined;
      const milliseconds = parseDuration(value);
      if (milliseconds === undefined) return describeDuration(value) + (bounds.orNone ? ", or 'none'" : '');
      if (milliseconds < least) return `write '${bounds.least}' or more`;
      if (milliseconds > most) return `write '${bounds.most}' or less`;
      return undefined;
    }) as PropertyDecorator,
  );
}

/** One or more secrets of sufficient length. Neither the secret nor its length stands in the message. */
export function IsSecret(minBytes: number): PropertyDecorator {
  return both(
    IsOptional(),
    define('isSecret', value => {
      if (value === 'database') return undefined;
      const secrets: unknown[] = Array.isArray(value) ? value : [value];
      if (secrets.length > 0 && secrets.every(secret => isLongEnough(secret, minBytes))) return undefined;
      return `write a random string of at least ${minBytes} bytes, such as the output of "openssl rand -base64 48", or an array of them with the newest first`;
    }) as PropertyDecorator,
  );
}

function isLongEnough(secret: unknown, minBytes: number): boolean {
  return typeof secret === 'string' && Buffer.byteLength(secret) >= minBytes;
}

/** The name of a cookie without its prefix (RFC 6265, section 4.1.1). */
export function IsCookieName(): PropertyDecorator {
  return both(
    IsOptional(),
    define('isCookieName', value => {
      if (typeof value !== 'string' || !/^[!#$%&'*+.^`|~\w-]+$/.test(value))
        return 'write a cookie name (letters, digits, _ and -)';
      if (/^__(host|secure)-/i.test(value))
        return 'leave out the __Host- or __Secure- prefix: it is added where it applies';
      return undefined;
    }) as PropertyDecorator,
  );
}

/** An origin as browsers write it (RFC 6454, section 6.2). */
export function IsOrigin(options?: ValidationOptions): PropertyDecorator {
  return define(
    'isOrigin',
    value => {
      const hint = "write each origin as 'https://host' or 'https://host:port', without a path or a wildcard";
      if (typeof value !== 'string' || value.includes('*') || !URL.canParse(value)) return hint;
      return new URL(value).origin === value ? undefined : hint;
    },
    options,
  ) as PropertyDecorator;
}

/** A function or a class. */
export function IsClaimsHook(): PropertyDecorator {
  return both(
    IsOptional(),
    define('isClaimsHook', value =>
      typeof value === 'function' ? undefined : 'write a function, or a provider class with a method claimsFor',
    ) as PropertyDecorator,
  );
}

/** The address of a JWK Set. Plain http is for machines of one's own: whoever can change the answer can sign. */
export function IsJwksUri(): PropertyDecorator {
  return both(
    IsOptional(),
    define('isJwksUri', value => {
      const isUrl = typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
      return isUrl ? undefined : "write the whole address, such as 'https://auth.example.com/.well-known/jwks.json'";
    }) as PropertyDecorator,
  );
}

/** A key or a function. Its form is checked when the algorithm is known; not even its kind stands in a message here. */
export function IsSigningKey(): PropertyDecorator {
  return both(
    IsOptional(),
    define('isSigningKey', value =>
      (typeof value === 'string' && value !== '') || typeof value === 'function' || typeof value === 'object'
        ? undefined
        : 'write a private key as a PEM, a JWK or a KeyObject, or a function that returns one',
    ) as PropertyDecorator,
  );
}

/** A nested object of options, whose own options are checked by its class. */
export function IsOptionsObject(type: () => new () => object): PropertyDecorator {
  return both(
    IsOptional(),
    define('isOptionsObject', value =>
      typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'write an object',
    ) as PropertyDecorator,
    (target, key) => Reflect.defineMetadata(NESTED, type, target, key),
  );
}

const NESTED = 'nestjs-jwt-session:nested-options';

/**
 * Checks plain options against their class.
 *
 * @returns a sentence for each option that is unknown or wrong, with its path
 */
export function findOptionMistakes(type: new () => object, plain: object, path = ''): string[] {
  const instance = Object.assign(new type(), plain);
  const mistakes = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true }).map(error =>
    describe(error, path),
  );
  for (const [key, value] of Object.entries(plain)) {
    const nested = Reflect.getMetadata(NESTED, type.prototype, key) as (() => new () => object) | undefined;
    if (nested && typeof value === 'object' && value !== null) {
      mistakes.push(...findOptionMistakes(nested(), value as object, `${path}${key}.`));
    }
  }
  return mistakes;
}

function describe(error: ValidationError, path: string): string {
  const name = `${path}${error.property}`;
  const constraints = error.constraints ?? {};
  if ('whitelistValidation' in constraints) return `unknown option "${name}": remove it, or mend its spelling`;
  return `option "${name}": ${Object.values(constraints).join('; ')}`;
}
