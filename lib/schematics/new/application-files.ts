import { template } from '../add/files.js';
import type { SetUp } from '../add/options.js';
import type { ApplicationOptions } from './options.js';

/** @returns what the application has beside sessions: users and their login unless it has accounts, and a page */
export function partsOf({
  accounts,
  page,
}: ApplicationOptions): Pick<SetUp, 'imports' | 'controllers' | 'providers' | 'migrations' | 'files'> {
  const pages = page ? [{ name: 'PageController', from: './page/page.controller' }] : [];
  const paths = accounts ? "'page', 'verify-email'" : "'page'";
  const pageFiles: Record<string, string> = page
    ? { 'page/page.controller.ts': template('page.controller.ts').replace('{{paths}}', paths) }
    : {};
  if (accounts) return { imports: [], controllers: pages, providers: [], migrations: [], files: pageFiles };
  return {
    imports: [
      { name: 'throttling', from: './auth/throttling' },
      { name: 'UsersModule', from: './users/users.module' },
    ],
    controllers: [{ name: 'AuthController', from: './auth/auth.controller' }, ...pages],
    providers: [{ name: 'requestValidation', from: './request-validation' }],
    migrations: [{ name: 'CreateUsers1764547300000', from: './users/create-users.migration' }],
    files: {
      'auth/auth.controller.ts': template('auth.controller.ts'),
      'auth/credentials.dto.ts': template('credentials.dto.ts'),
      'auth/log-in.dto.ts': template('log-in.dto.ts'),
      'auth/throttling.ts': template('throttling.ts'),
      'users/create-users.migration.ts': template('create-users.migration.ts'),
      'users/user.entity.ts': template('user.entity.ts'),
      'users/users.module.ts': template('users.module.ts'),
      'users/users.service.ts': template('users.service.ts'),
      'request-validation.ts': template('request-validation.ts'),
      ...pageFiles,
    },
  };
}

/** @returns the end-to-end tests, by their paths */
export function testsOf({ accounts, platform }: ApplicationOptions): Record<string, string> {
  const subject = accounts ? 'accounts.e2e-spec.ts' : 'auth.e2e-spec.ts';
  return {
    'test/app.e2e-spec.ts': template('app.e2e-spec.ts'),
    [`test/${subject}`]: template(subject),
    'test/cookies-of.ts': template('cookies-of.ts'),
    'test/start-app.ts': template(`start-app.${platform}.ts`),
  };
}

/** @returns the files that a browser loads, by their paths */
export function pageOf(name: string, { accounts, page }: ApplicationOptions): Record<string, string> {
  if (!page) return {};
  const [identifier, label, type] = accounts ? ['email', 'E-mail', 'email'] : ['username', 'User name', 'text'];
  const start = 'attempt(() => showSignedIn().catch(() => showSignedOut()));';
  const startWithToken = `// The link in a mail ends with #token=…
let token = new URLSearchParams(location.hash.slice(1)).get('token');
if (token) {
  history.replaceState(null, '', '/page');
  showSignedOut('Log in to verify your address.');
} else {
  ${start}
}`;
  const values: Record<string, string> = {
    name,
    identifier,
    label,
    type,
    whoPath: accounts ? '/account' : '/me',
    actions: template(accounts ? 'page.accounts.js' : 'page.users.js').trimEnd(),
    start: accounts ? startWithToken : start,
    choose: accounts
      ? '        <button id="choose" value="choose" class="secondary" hidden>Choose this as my new password</button>\n'
      : '',
  };
  const fill = (text: string) => text.replace(/\{\{(\w+)\}\}/g, (_, key: string) => values[key]!);
  const files = ['page.html', 'page.css', 'page.js'];
  return Object.fromEntries(files.map(file => [`public/${file}`, fill(template(file))]));
}

/** @returns the application's README */
export function readmeOf(name: string, { accounts, page, packageManager }: ApplicationOptions): string {
  const login = template(accounts ? 'README.accounts.md' : 'README.users.md');
  return template('README.md')
    .replace('{{name}}', () => name)
    .replace('{{page}}', page ? '/page' : '')
    .replaceAll('{{run}}', packageManager === 'npm' ? 'npm run' : packageManager)
    .replace('{{login}}\n', () => login);
}
