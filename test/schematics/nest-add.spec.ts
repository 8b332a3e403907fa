import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import * as prettier from 'prettier';
import ts from 'typescript';
import {
  CONFIGURED,
  type Files,
  INDIRECT,
  OTHER_STORES,
  REFUSED,
  SHARED,
  starter,
  UNDERSTOOD,
  withImports,
  withPackage,
} from './applications.js';
import { compileApplications } from './compile-applications.js';
import { type Run, SchematicProcess } from './schematic-process.js';

const ON_FASTIFY = { accounts: true, platform: 'fastify' };

const schematics = new SchematicProcess();
afterAll(() => schematics.stop());

const add = (files: Files, options?: object) => schematics.run('nest-add', files, options);

describe('nest add', () => {
  describe.each(Object.entries({ ...UNDERSTOOD, ...INDIRECT }))('in an application %s', (_, files) => {
    let first: Run;

    beforeAll(async () => {
      first = await add(files);
    });

    it('F25: sets sessions up', () => {
      const sources = Object.entries(first.files).filter(([path]) => path.startsWith('src/'));
      const all = sources.map(([, text]) => text).join('\n');
      expect(all).toContain('SessionModule.forRoot({ secret: process.env.SESSION_SECRET })');
      expect(all).toContain('...SESSION_MIGRATIONS');
      expect(all.match(/autoLoadEntities: true/g)).toHaveLength(1);
      expect(all.match(/import ['"]\.{1,2}\/environment/g)).toHaveLength(1);
    });

    it('F25: a second run changes nothing, and says so', async () => {
      const second = await add(first.files);
      expect(second.files).toEqual(first.files);
      expect(second.tasks).toEqual([]);
      expect(second.log).toContain('set up here already');
    });
  });

  it('F25: what comes out type-checks', async () => {
    const results: Record<string, Files> = {
      'with accounts': (await add(starter(), { accounts: true, transport: 'bearer' })).files,
      'with users': (await schematics.run('application', starter())).files,
      'with accounts on Fastify': (await schematics.run('application', starter(), ON_FASTIFY)).files,
      'with a page': (await schematics.run('application', starter(), { page: true })).files,
    };
    const configured = Object.entries(CONFIGURED).map(([name, [files]]) => [name, files] as const);
    const others = [...Object.entries({ ...UNDERSTOOD, ...INDIRECT, ...SHARED }), ...configured];
    for (const [name, files] of others) results[name] = (await add(files)).files;
    results['with ConfigModule and accounts'] = (await add(configured[0]![1], { accounts: true })).files;
    expect(compileApplications(results)).toEqual([]);
  });

  describe.each(Object.entries(SHARED))('in an application %s', (_, files) => {
    it('F25: adds entities and migrations where TypeORM’s CLI finds them as well', async () => {
      const { files: result, log } = await add(files);
      expect(result['src/data-source.ts']).toContain(`
import { SESSION_ENTITIES, SESSION_MIGRATIONS } from 'nestjs-jwt-session';
`);
      expect(result['src/data-source.ts']).toContain(`
  entities: ['dist/**/*.entity.js', ...SESSION_ENTITIES],
  migrations: ['dist/migrations/*.js', ...SESSION_MIGRATIONS],
};`);
      expect(result['src/app.module.ts']).toContain('SessionModule.forRoot({ secret: process.env.SESSION_SECRET })');
      expect(log).toContain('Run the migrations as you run yours');
    });
  });

  describe.each(Object.entries(CONFIGURED))('in an application %s', (_, [files, secretFile]) => {
    it('F25: uses its ConfigService, and writes the secret where that reads it', async () => {
      const { files: result, log, tasks } = await add(files);
      const module = result['src/app.module.ts']!;
      expect(module).toMatch(/import \{ ConfigModule, ConfigService \} from '@nestjs\/config';/);
      expect(module).toContain("url: config.getOrThrow<string>('DATABASE_URL'),");
      expect(module).toMatch(
        /SessionModule\.forRootAsync\(\{\n( {6}imports: \[ConfigModule\],\n)? {6}inject: \[ConfigService\],/,
      );
      expect(module).toContain("secret: config.getOrThrow<string>('SESSION_SECRET'),");
      expect(module.includes('imports: [ConfigModule],')).toBe(!module.includes('isGlobal'));
      expect(result).not.toHaveProperty(['src/environment.ts']);
      expect(parseEnv(result['.env.example']!)).toHaveProperty('SESSION_SECRET');
      const written = ['.env', '.env.local'].filter(path => result[path]?.includes('SESSION_SECRET='));
      expect(written).toEqual(secretFile === undefined ? [] : [secretFile]);
      if (secretFile === undefined) expect(log).toContain('where your ConfigModule reads them');
      else expect(result['.gitignore']!.split('\n')).toContain(secretFile);
      const isNew = secretFile !== undefined && !(secretFile in files);
      expect(tasks.some(({ name }) => name === 'run-schematic')).toBe(isNew);
    });
  });

  it.each(Object.entries(OTHER_STORES))(
    'F25: with %s it says what it would add, and adds TypeORM with --yes only',
    async (name, store) => {
      const files = withPackage(name);
      const { refusal, files: left } = await add(files);
      expect(refusal).toContain(`stores its data by ${store}`);
      expect(refusal).toContain('typeorm, @nestjs/typeorm and pg');
      expect(refusal).toContain('--yes');
      expect(left).toEqual(files);
      const { files: result } = await add(files, { yes: true });
      expect(result['src/app.module.ts']).toContain('TypeOrmModule.forRoot({');
    },
  );

  it('F25: a refusal prints the lines for this application', async () => {
    const { 'src/app.module.ts': module, ...files } = CONFIGURED['with ConfigModule on another file']![0];
    const broken = module!.replace('controllers: [AppController]', 'controllers: controllers()');
    const { refusal } = await add(
      { ...files, 'src/app.module.ts': broken, 'pnpm-lock.yaml': '' },
      { accounts: true, transport: 'cookie' },
    );
    expect(refusal).toContain('pnpm add nestjs-jwt-session@1 @nestjs/jwt@12 ');
    expect(refusal).toContain('In src/app.module.ts:');
    expect(refusal).toContain(
      "import { ACCOUNT_MIGRATIONS, AccountClaims, AccountModule } from 'nestjs-jwt-session/accounts';",
    );
    expect(refusal).toContain("secret: config.getOrThrow<string>('SESSION_SECRET'),");
    expect(refusal).toContain("transport: 'cookie',");
    expect(refusal).toMatch(/In \.env\.local:\n\n# .*\nSESSION_SECRET=\n[^]*\nAPP_URL=/);
    const present = await add(REFUSED['with computed migrations']![0]);
    expect(present.refusal).toContain('In the options of the data source, see src/app.module.ts:');
    expect(present.refusal).not.toContain('TypeOrmModule.forRoot({');
    const unknown = await add(REFUSED['without a main.ts']![0]);
    expect(unknown.refusal).toContain('npm install nestjs-jwt-session@1 ');
  });

  describe.each(Object.entries(REFUSED))('in an application %s', (_, [files, reason]) => {
    it('F25: refuses, changes nothing, and prints what to write', async () => {
      const { refusal, files: left } = await add(files);
      expect(refusal).toMatch(reason);
      expect(refusal).toContain('SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),');
      expect(left).toEqual(files);
    });
  });

  it('F25: writes the application as a developer would have', async () => {
    const { files } = await add(starter());
    expect(files['src/app.module.ts']).toBe(`import './environment.js';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SESSION_MIGRATIONS, SessionModule } from 'nestjs-jwt-session';
import { AppController } from './app.controller.js';
import { AuthController } from './auth/auth.controller.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL,
      connectTimeoutMS: 5_000,
      extra: { query_timeout: 10_000 },
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),
  ],
  controllers: [AppController, AuthController],
  providers: [],
})
export class AppModule {}
`);
  });

  it('F25: keeps the style and the comments of the file', async () => {
    const named = async (name: string) => (await add(UNDERSTOOD[name]!)).files['src/app.module.ts'];
    expect(await named('with other quotes, indentation and line ends')).toBe(
      `/* The application. */
import "./environment.js"
import { Module } from "@nestjs/common"
import { TypeOrmModule } from "@nestjs/typeorm"
import { SESSION_MIGRATIONS, SessionModule } from "nestjs-jwt-session"
import { AppController } from "./app.controller.js"
import { AuthController } from "./auth/auth.controller.js"

@Module({
    controllers: [AppController, AuthController],
    imports: [
        TypeOrmModule.forRoot({
            type: "postgres",
            url: process.env.DATABASE_URL,
            connectTimeoutMS: 5_000,
            extra: { query_timeout: 10_000 },
            autoLoadEntities: true,
            migrations: [...SESSION_MIGRATIONS],
            migrationsRun: true,
        }),
        SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),
    ]
})
export class AppModule { }
`.replaceAll('\n', '\r\n'),
    );
    expect(await named('with comments in its lists, an alias of Module and another module before')).toContain(`
@NestModule({
  imports: [
    OtherModule, // first
    // MoreModule,
    NestModuleOf(),
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL,
      connectTimeoutMS: 5_000,
      extra: { query_timeout: 10_000 },
      autoLoadEntities: true,
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),
    // EvenMoreModule,
  ],
  controllers: [AppController, AuthController],
})`);
    expect(await named('with a data source')).toContain(`
      host: 'localhost', // for now
      autoLoadEntities: true,
      synchronize: false, // never
      migrations: [...SESSION_MIGRATIONS],
      migrationsRun: true,
    }),
    SessionModule.forRoot({ secret: process.env.SESSION_SECRET }),
  ],`);
  });

  it('F25: lets the prettier of the application break the lines, where it formats the file', async () => {
    const options = { parser: 'typescript', printWidth: 50, semi: false, tabWidth: 4 };
    const formatted = new SchematicProcess(options);
    const { 'src/app.module.ts': module, ...others } = starter();
    const { files } = await formatted.run('nest-add', {
      ...others,
      'src/app.module.ts': await prettier.format(module!, options),
    });
    formatted.stop();
    expect(files['src/app.module.ts']).toContain(`
import {
    SESSION_MIGRATIONS,
    SessionModule,
} from "nestjs-jwt-session"
`);
    expect(files['src/environment.ts']).toContain('from "node:fs"\n');
    for (const path of ['src/app.module.ts', 'src/environment.ts', 'src/auth/auth.controller.ts']) {
      expect(await prettier.check(files[path]!, options)).toBe(true);
    }
  });

  it('F25: leaves it to those who run migrations by hand to run them', async () => {
    const imports = "TypeOrmModule.forRoot({ type: 'postgres', migrations: ['dist/migrations/*.js'] })";
    const { files, log } = await add(withImports(imports));
    expect(files['src/app.module.ts']).not.toContain('migrationsRun');
    expect(log).toContain('Run the migrations as you run yours');
  });

  it('F25: the options choose the transport, and accounts in place of a login', async () => {
    const { files } = await add(starter(), { transport: 'cookie', accounts: true });
    const module = files['src/app.module.ts'];
    expect(module).toContain("claims: AccountClaims,\n      transport: 'cookie',");
    expect(module).toContain('AccountModule.forRoot({');
    expect(module).toContain('migrations: [...SESSION_MIGRATIONS, ...ACCOUNT_MIGRATIONS]');
    expect(files).not.toHaveProperty(['src/auth/auth.controller.ts']);
    expect(JSON.parse(files['package.json']!)).toMatchObject({
      dependencies: {
        '@node-rs/argon2': expect.any(String),
        '@zxcvbn-ts/core': expect.any(String),
        '@zxcvbn-ts/language-common': expect.any(String),
        '@zxcvbn-ts/language-en': expect.any(String),
        nodemailer: expect.any(String),
      },
    });
  });

  it.each([{ transport: 'carrier-pigeon' }, { account: true }])('F25: the options %j are refused', async options => {
    const { refusal, files } = await add(starter(), options);
    expect(refusal).toMatch(/transport|account/);
    expect(files).toEqual(starter());
  });

  it('F25: accounts are not added to sessions that are there', async () => {
    const { files } = await add(starter());
    const { refusal, files: left } = await add(files, { accounts: true });
    expect(refusal).toContain('AccountModule.forRoot({');
    expect(left).toEqual(files);
  });

  it.each([
    ['pnpm-lock.yaml', 'pnpm'],
    ['yarn.lock', 'yarn'],
    ['package-lock.json', 'npm'],
  ])('F25: beside %s it installs by %s', async (lock, packageManager) => {
    const { tasks } = await add({ ...starter(), [lock]: '' });
    expect(tasks.at(-1)).toMatchObject({ name: 'node-package', options: { packageManager } });
  });

  it('F25: adds the packages that go with the Nest of the application, and installs them', async () => {
    const { files, tasks } = await add(starter({ nest: 11 }));
    const { dependencies } = JSON.parse(files['package.json']!) as { dependencies: Record<string, string> };
    expect(dependencies).toMatchObject({
      '@nestjs/jwt': '^11.0.0',
      '@nestjs/schedule': '^6.0.0',
      '@nestjs/typeorm': '^11.0.0',
      typeorm: '^1.0.0',
      pg: '^8.11.0',
    });
    const onNest12 = JSON.parse((await add(starter())).files['package.json']!);
    expect(onNest12).toMatchObject({ dependencies: { '@nestjs/jwt': '^12.0.0', '@nestjs/schedule': '^12.0.0' } });
    expect(Object.keys(dependencies)).toEqual(Object.keys(dependencies).sort());
    expect(tasks.map(({ name }) => name)).toEqual(['run-schematic', 'node-package']);
    expect((await add(starter(), { skipInstall: true })).tasks.map(({ name }) => name)).toEqual(['run-schematic']);
  });
});

describe('environment.ts', () => {
  it('F25: sets the variables of .env that are not set, also in the sandbox of Jest', async () => {
    const { files } = await add(starter());
    const folder = mkdtempSync(join(tmpdir(), 'jwt-session-environment-'));
    const script = join(folder, 'environment.mjs');
    writeFileSync(
      join(folder, '.env'),
      'SEEN_IN_JEST="by name"\nSET_BEFORE=no\nDATABASE_URL=postgres://localhost/app\n',
    );
    writeFileSync(script, ts.transpile(files['src/environment.ts']!, { module: ts.ModuleKind.ESNext }));
    process.env.SET_BEFORE = 'yes';
    const former = process.cwd();
    process.chdir(folder);
    await import(script).finally(() => process.chdir(former));
    rmSync(folder, { recursive: true });
    expect(process.env).toMatchObject({ SEEN_IN_JEST: 'by name', SET_BEFORE: 'yes' });
  });
});

describe('the secret', () => {
  it('F25: is fresh, of 48 bytes, in .env alone, which git does not see', async () => {
    const [one, other] = [await add(starter()), await add(starter())];
    const secrets = [one, other].map(({ files }) => parseEnv(files['.env']!).SESSION_SECRET!);
    expect(secrets.map(secret => Buffer.from(secret, 'base64').length)).toEqual([48, 48]);
    expect(secrets[0]).not.toBe(secrets[1]);
    const { '.env': _env, ...others } = one.files;
    expect(Object.values(others).join('\n') + one.log).not.toContain(secrets[0]);
    expect(parseEnv(one.files['.env.example']!)).toMatchObject({ SESSION_SECRET: '' });
    expect(one.files['.gitignore']).toBe('node_modules\ndist\n.env\n');
    expect(one.tasks[0]!.options).toMatchObject({ name: 'protect', options: { files: ['.env'] } });
  });

  it('F25: of an application that has one is kept, and so is all else in .env', async () => {
    const mine = 'PORT=4000\nSESSION_SECRET="one that was there before, long enough"';
    const { files, log, tasks } = await add({ ...starter(), '.env': mine, '.gitignore': '/.env\n' });
    expect(files['.env']).toBe(`${mine}\nDATABASE_URL=postgres://postgres@localhost:5432/postgres\n`);
    expect(log).not.toContain('one that was there');
    expect(files['.gitignore']).toBe('/.env\n');
    expect(tasks.map(({ name }) => name)).toEqual(['node-package']);
  });

  it('F25: takes the place of an empty one', async () => {
    const { files } = await add({ ...starter(), '.env': 'SESSION_SECRET=\n' });
    expect(parseEnv(files['.env']!).SESSION_SECRET).toHaveLength(64);
  });
});
