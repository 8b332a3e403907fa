// Kinds of application that get their sessions by "nest add" or "new".
import { removeDataOf } from '../root-data.mjs';
import { codeUnder } from './documentation.mjs';
import { check } from './newcomer.mjs';

const ada = { username: 'ada', password: 'correct horse battery staple' };

/** As README says for the tarball. */
function add(newcomer, { tarball }, parameters = '') {
  newcomer.type(`npm install ${tarball}`);
  const report = newcomer.type(`npx nest add nestjs-jwt-session --skip-install${parameters} && npm install`);
  check(report.includes('Next:'), `nest add has not set it up:\n${report}`);
}

/** Does what "Next" of the report says, and uses the application. */
async function finish(newcomer, { databaseUrl }, { env = '.env', source = 'src', start = 'npx nest start' } = {}) {
  newcomer.edit(env, [/^DATABASE_URL=.*$/m, `DATABASE_URL=${databaseUrl}`]);
  await newcomer.serve(start, async () => {
    const refusal = await newcomer.expect(501, 'POST', '/login', ada);
    check(refusal.text.includes('authenticate()'), `The refusal is ${refusal.text}`);
  });
  newcomer.edit(
    `${source}/auth/auth.controller.ts`,
    [/throw new NotImplementedException[^;]*;/, 'return Promise.resolve(credentials.username);'],
    ['  NotImplementedException,\n', ''],
  );
  await newcomer.serve(start, () => newcomer.logInAndOut(ada));
}

/** A test as the documentation has it, beside those that the Nest CLI has written. */
function writeTest(newcomer, extension) {
  newcomer.write('test/as-ada.ts', codeUnder('docs/integrating.md', 'How do I test my own routes?'));
  newcomer.write(
    'test/session.e2e-spec.ts',
    `import { Test } from '@nestjs/testing';
import { AppModule } from '../src/app.module${extension}';
import { asAda } from './as-ada${extension}';

it('admits a user who is signed in', async () => {
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = module.createNestApplication();
  await app.init();
  await asAda(app);
  await app.close();
});
`,
  );
}

/** The commands that the Nest CLI has given the application. */
function runScripts(newcomer, scripts = ['build', 'lint', 'test', 'test:e2e']) {
  for (const script of scripts) newcomer.type(`npm run ${script}`);
}

const added = (nest, type, scripts) => ({
  nest,
  type,
  async follow(newcomer, given) {
    add(newcomer, given);
    await finish(newcomer, given);
    if (scripts?.includes('test:e2e') ?? true) writeTest(newcomer, type === 'esm' ? '.js' : '');
    runScripts(newcomer, scripts);
  },
});

const DATA_SOURCE = `import { DataSource, type DataSourceOptions } from 'typeorm';

export const dataSourceOptions: DataSourceOptions = {
  type: 'postgres',
  url: process.env.DATABASE_URL,
  entities: [],
  migrations: [],
  migrationsRun: true,
};

export default new DataSource(dataSourceOptions);
`;

export const ADDED = {
  'nest-12-esm': added(12, 'esm'),
  // Its Jest loads Nest 12 from Node 24.9 on only, with or without sessions.
  'nest-12-cjs': added(12, 'cjs', ['build', 'lint']),
  // Its Jest is CommonJS.
  'nest-11-cjs': added(11, 'cjs'),

  'nest-11-esm': {
    nest: 11,
    type: 'cjs',
    async follow(newcomer, given) {
      newcomer.edit('package.json', ['"private": true', '"type": "module",\n  "private": true']);
      for (const file of ['main', 'app.module', 'app.controller']) {
        newcomer.edit(`src/${file}.ts`, [/(?<=from '\.\/.*)(?=';)/g, '.js']);
      }
      add(newcomer, given);
      await finish(newcomer, given);
      // Its linter and its Jest are set up for CommonJS.
      runScripts(newcomer, ['build']);
    },
  },

  fastify: {
    async follow(newcomer, given) {
      newcomer.type('npm uninstall @nestjs/platform-express && npm install @nestjs/platform-fastify');
      newcomer.edit(
        'src/main.ts',
        [/^/, "import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';\n"],
        ['.create(AppModule)', '.create<NestFastifyApplication>(AppModule, new FastifyAdapter())'],
      );
      add(newcomer, given);
      await finish(newcomer, given);
    },
  },

  monorepo: {
    async follow(newcomer, given) {
      newcomer.type('npx nest generate app api');
      // The Nest CLI builds a monorepo by rspack, and asks for these.
      newcomer.type('npm install --save-dev @rspack/core webpack-node-externals tsconfig-paths-webpack-plugin');
      add(newcomer, given, ' --project api');
      await finish(newcomer, given, { source: 'apps/api/src', start: 'npx nest start api' });
      newcomer.type('npx nest build api');
    },
  },

  'data-source-file': {
    async follow(newcomer, given) {
      newcomer.type('npm install @nestjs/typeorm typeorm pg');
      newcomer.write('src/data-source.ts', DATA_SOURCE);
      newcomer.edit(
        'src/app.module.ts',
        [
          /^/,
          "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { dataSourceOptions } from './data-source.js';\n",
        ],
        [/imports: \[\]/, 'imports: [TypeOrmModule.forRoot(dataSourceOptions)]'],
      );
      newcomer.write('.env', `DATABASE_URL=${given.databaseUrl}\n`);
      add(newcomer, given);
      await finish(newcomer, given);
      newcomer.type('npm run build');
      // TypeORM's own command finds the migrations where the application keeps its options.
      const env = { DATABASE_URL: given.databaseUrl };
      const shown = newcomer.type('npx typeorm migration:show -d dist/data-source.js', { env });
      check(shown.includes('[X]') && !shown.includes('[ ]'), `The migrations are ${shown}`);
    },
  },

  'config-module': {
    async follow(newcomer, given) {
      newcomer.type('npm install @nestjs/config @nestjs/typeorm typeorm pg');
      newcomer.edit(
        'src/app.module.ts',
        [
          /^/,
          "import { ConfigModule, ConfigService } from '@nestjs/config';\nimport { TypeOrmModule } from '@nestjs/typeorm';\n",
        ],
        [
          /imports: \[\]/,
          `imports: [
    ConfigModule.forRoot({ envFilePath: 'config/local.env' }),
    TypeOrmModule.forRootAsync({
      imports: [ConfigModule],
      inject: [ConfigService],
      useFactory: (config: ConfigService) => ({
        type: 'postgres',
        url: config.getOrThrow<string>('DATABASE_URL'),
        autoLoadEntities: true,
      }),
    }),
  ]`,
        ],
      );
      newcomer.write('config/local.env', `DATABASE_URL=${given.databaseUrl}\n`);
      add(newcomer, given);
      await finish(newcomer, given, { env: 'config/local.env' });
      runScripts(newcomer);
    },
  },

  prisma: {
    async follow(newcomer, given) {
      newcomer.type('npm install --ignore-scripts @prisma/client');
      newcomer.type(`npm install ${given.tarball}`);
      const question = newcomer.type('npx nest add nestjs-jwt-session --skip-install', { fails: true });
      check(/by Prisma.*--yes/.test(question), `The question is ${question}`);
      add(newcomer, given, ' --yes');
      await finish(newcomer, given);
    },
  },

  'new-with-page': {
    type: 'none',
    async follow(newcomer, { tarball }) {
      newcomer.type(`npx --yes --package ${tarball} nestjs-jwt-session new my-app --page`);
      const application = newcomer.in('my-app');
      await application.serve('npm start', async () => {
        await application.expect(200, 'GET', '/page');
        await application.expect(201, 'POST', '/register', ada);
        await application.logInAndOut(ada);
      });
      runScripts(application);
      application.type('git status');
      removeDataOf(application.folder);
    },
  },
};
