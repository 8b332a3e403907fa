import { IsInt, IsOptional, Max, Min, ValidateBy } from 'class-validator';

/** An option with a check of its own: the sentence that says what to write instead, or undefined. */
export function IsGood(check: (value: unknown) => string | undefined): PropertyDecorator {
  return ValidateBy({
    name: 'isGood',
    validator: {
      validate: value => check(value) === undefined,
      defaultMessage: args => check(args?.value) ?? '',
    },
  });
}

/** A whole number within bounds. */
export function IsWhole(least: number, most: number): PropertyDecorator {
  const message = `write a whole number from ${least} to ${most}`;
  return (target, key) => {
    for (const decorate of [IsOptional(), IsInt({ message }), Min(least, { message }), Max(most, { message })]) {
      decorate(target, key);
    }
  };
}

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value);
}

/** An absolute address without anything behind the path. */
export function baseUrlMistake(value: unknown): string | undefined {
  const hint = "write the address under which users see the application, such as 'https://example.com'";
  if (typeof value !== 'string' || !URL.canParse(value)) return hint;
  const { protocol, search, hash, username } = new URL(value);
  return /^https?:$/.test(protocol) && search + hash + username === '' ? undefined : hint;
}

/** Neither the pepper nor its length stands in the message. */
export function pepperMistake(value: unknown): string | undefined {
  const peppers: unknown[] = Array.isArray(value) ? value : [value];
  const good = peppers.length > 0 && peppers.every(one => typeof one === 'string' && Buffer.byteLength(one) >= 32);
  return good
    ? undefined
    : 'write a random string of at least 32 bytes, such as the output of "openssl rand -base64 48", or an array of them with the newest first';
}

export function smtpMistake(value: unknown): string | undefined {
  const hint =
    "write a URL such as 'smtps://user:password@mail.example.com' or an object { host, port, secure, requireTLS, user, password }";
  if (typeof value === 'string') {
    return URL.canParse(value) && /^smtps?:$/.test(new URL(value).protocol) ? undefined : hint;
  }
  return typeof value === 'object' && value !== null && isText((value as { host?: unknown }).host) ? undefined : hint;
}
