import { matching, type OptionCheck, pattern } from '../../common/option-checks.js';
import { isObject } from '../../common/options.js';

export const pagePath = pattern(/^\/[^\s?#]*$/, "write a path of the application, such as '/login'");

/** An absolute address with nothing behind the path. */
export const baseUrl: OptionCheck = matching(value => {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, search, hash, username } = new URL(value);
  return /^https?:$/.test(protocol) && search + hash + username === '';
}, "write the address under which users see the application, such as 'https://example.com'");

export const smtp: OptionCheck = matching(
  value =>
    typeof value === 'string'
      ? URL.canParse(value) && /^smtps?:$/.test(new URL(value).protocol)
      : isObject(value) && isLine((value as { host?: unknown }).host),
  "write a URL such as 'smtps://user:password@mail.example.com' or an object { host, port, secure, requireTLS, user, password }",
);

export const templates: OptionCheck = matching(
  value => isObject(value) && Object.values(value).every(template => typeof template === 'function'),
  'write an object of functions that return { subject, text, html }',
);

function isLine(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value);
}
