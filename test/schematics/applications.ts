export type Files = Readonly<Record<string, string>>;

/** What `nest new` makes, as far as it matters here. */
export function starter({ nest = 12, esm = nest === 12 }: { nest?: number; esm?: boolean } = {}): Files {
  const extension = esm ? '.js' : '';
  const scripts = {
    start: 'nest start',
    'start:dev': 'nest start --watch',
    'start:debug': 'nest start --debug --watch',
    'start:prod': 'node dist/main',
    'test:e2e': 'vitest run --config ./vitest.config.e2e.ts',
  };
  const manifest = { name: 'app', ...(esm ? { type: 'module' } : {}), scripts };
  const devDependencies = { '@types/express': '^5.0.0', typescript: '^6.0.2' };
  const dependencies = {
    '@nestjs/common': `^${nest}.0.1`,
    '@nestjs/core': `^${nest}.0.1`,
    '@nestjs/platform-express': `^${nest}.0.1`,
    rxjs: '^7.8.1',
  };
  return {
    'package.json': `${JSON.stringify({ ...manifest, dependencies, devDependencies }, null, 2)}\n`,
    '.gitignore': 'node_modules\ndist\n',
    'src/main.ts': `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module${extension}';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? 3000);
}
${esm ? 'await' : 'void'} bootstrap();
`,
    'src/app.controller.ts': `import { Controller, Get } from '@nestjs/common';

@Controller()
export class AppController {
  @Get()
  getHello(): string {
    return 'Hello World!';
  }
}
`,
    'src/app.module.ts': appModule(extension),
  };
}

/** A starter whose AppModule has these imports, and these lines on top. */
export function withImports(
  imports: string,
  lines = "import { TypeOrmModule } from '@nestjs/typeorm';",
  files: Files = {},
): Files {
  const module = appModule().replace('imports: []', () => `imports: [${imports}]`);
  return { ...starter(), ...files, 'src/app.module.ts': `${lines}\n${module}` };
}

/** Applications that are understood, by what is particular about them. */
export const UNDERSTOOD: Readonly<Record<string, Files>> = {
  'Nest 12, ESM': starter(),
  'Nest 12, CommonJS': starter({ esm: false }),
  'Nest 11, CommonJS': starter({ nest: 11 }),
  'with a data source': withImports(`
    TypeOrmModule.forRoot({
      type: 'postgres',
      host: 'localhost', // for now
      autoLoadEntities: true,
      synchronize: false, // never
    }),
  `),
  'with a data source in one line': withImports(
    "TypeOrmModule.forRoot({ type: 'postgres', url: process.env.DATABASE_URL, migrations: ['dist/migrations/*.js'] })",
  ),
  'with lists of entities and migrations': {
    ...withImports(
      `
    TypeOrmModule.forRoot({
      type: 'postgres',
      entities: [Note],
      migrations: [],
      migrationsRun: true
    })
  `,
      "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { Note } from './note.entity.js';",
    ),
    'src/note.entity.ts': `import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('note')
export class Note {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  text!: string;
}
`,
  },
  'with a factory': withImports(`
    TypeOrmModule.forRootAsync({
      useFactory: () => ({
        type: 'postgres',
        url: process.env.DATABASE_URL,
      }),
    }),
  `),
  'with a factory that returns': withImports(`
    TypeOrmModule.forRootAsync({
      async useFactory() {
        return { type: 'postgres' as const, url: await Promise.resolve('postgres://localhost/app') };
      },
    }),
  `),
  'with a data source in a module of its own': {
    ...withImports('DatabaseModule', "import { DatabaseModule } from './database/database.module.js';"),
    'src/database/database.module.ts': `import { Module } from '@nestjs/common';
import { TypeOrmModule as Orm } from '@nestjs/typeorm';

@Module({
  imports: [Orm.forRoot({ type: 'postgres', url: 'postgres://localhost/app' })],
})
export class DatabaseModule {}
`,
  },
  'with other quotes, indentation and line ends': {
    ...starter(),
    'src/app.module.ts': `/* The application. */
import { Module } from "@nestjs/common"
import { AppController } from "./app.controller.js"

@Module({
    controllers: [AppController]
})
export class AppModule { }
`.replaceAll('\n', '\r\n'),
  },
  'without lists': {
    ...starter(),
    'src/app.module.ts': `import { Module } from '@nestjs/common';

@Module({})
export class AppModule {}
`,
  },
  'with its module in a folder': {
    ...starter(),
    'src/main.ts': starter()['src/main.ts']!.replace('./app.module.js', './core/app.module.js'),
    'src/app.module.ts': 'export {};\n',
    'src/core/app.module.ts': appModule().replace('./app.controller.js', '../app.controller.js'),
  },
  'with another database in its tests': {
    ...starter(),
    'src/notes.spec.ts':
      "// @ts-nocheck\nimport { TypeOrmModule } from '@nestjs/typeorm';\nTypeOrmModule.forRoot({ type: 'sqljs' });\n",
  },
  'with comments in its lists, an alias of Module and another module before': {
    ...starter(),
    'src/app.module.ts': `import { Module as NestModule } from '@nestjs/common';
import { AppController } from './app.controller.js';

@NestModule({})
class OtherModule {}

@NestModule({
  imports: [
    OtherModule, // first
    // MoreModule,
    NestModuleOf(),
    // EvenMoreModule,
  ],
  controllers: [AppController],
})
export class AppModule {}

function NestModuleOf() {
  return OtherModule;
}
`,
  },
  'with types of ours': {
    ...starter(),
    'src/app.module.ts': `import type { UserSession } from 'nestjs-jwt-session';\n${appModule()}\nexport type Mine = UserSession;\n`,
  },
  'with a login of its own': { ...starter(), 'src/auth/auth.controller.ts': 'export class AuthController {}\n' },
};

/** Applications whose data source is used by TypeORM's CLI as well, in the layouts of TypeORM's documentation. */
export const SHARED: Readonly<Record<string, Files>> = {
  'with options in data-source.ts': withDataSourceFile('dataSourceOptions'),
  'with options in data-source.ts, spread': withDataSourceFile('{ ...dataSourceOptions, autoLoadEntities: true }'),
  'with the options of a DataSource': withDataSourceFile('AppDataSource.options', 'AppDataSource'),
  'with a factory that returns the options of a DataSource': withImports(
    'TypeOrmModule.forRootAsync({ useFactory: () => AppDataSource.options })',
    "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { AppDataSource } from './data-source.js';",
    dataSourceFile(),
  ),
};

/** Applications whose options come from a class, a function or a method with more than one statement. */
export const INDIRECT: Readonly<Record<string, Files>> = {
  'with a class of options': withImports(
    'TypeOrmModule.forRootAsync({ useClass: DatabaseOptions })',
    "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { DatabaseOptions } from './database.options.js';",
    {
      'src/database.options.ts': `import { Injectable } from '@nestjs/common';
import type { TypeOrmModuleOptions, TypeOrmOptionsFactory } from '@nestjs/typeorm';

@Injectable()
export class DatabaseOptions implements TypeOrmOptionsFactory {
  createTypeOrmOptions(): TypeOrmModuleOptions {
    const url = process.env.DATABASE_URL;
    return { type: 'postgres', url };
  }
}
`,
    },
  ),
  'with a function of options': withImports(
    'TypeOrmModule.forRootAsync({ useFactory: databaseOptions })',
    "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { databaseOptions } from './database.options.js';",
    {
      'src/database.options.ts': `import type { TypeOrmModuleOptions } from '@nestjs/typeorm';

export const databaseOptions = (): TypeOrmModuleOptions => ({
  type: 'postgres',
  url: process.env.DATABASE_URL,
});
`,
    },
  ),
};

/** Applications with a ConfigService, and the file that they read. */
export const CONFIGURED: Readonly<Record<string, readonly [files: Files, secretFile: string | undefined]>> = {
  'with ConfigModule': [withConfig(''), '.env'],
  'with a global ConfigModule': [withConfig('{ isGlobal: true, cache: true }'), '.env'],
  'with ConfigModule on another file': [withConfig("{ envFilePath: '.env.local' }"), '.env.local'],
  'with ConfigModule on several files': [withConfig("{ envFilePath: ['.env.local', '.env'] }"), '.env.local'],
  'with ConfigModule on several files, one of them there': [
    { ...withConfig("{ envFilePath: ['.env.local', '.env'] }"), '.env': 'PORT=4000\n' },
    '.env',
  ],
  'with ConfigModule on a computed file': [withConfig('{ envFilePath: `.env.${process.env.NODE_ENV}` }'), undefined],
  'with ConfigModule on no file': [withConfig('{ ignoreEnvFile: true }'), undefined],
  'with ConfigModule on a file elsewhere': [withConfig("{ envFilePath: '../.env' }"), undefined],
};

/** Applications that store their data by other means, and what the question calls them. */
export const OTHER_STORES: Readonly<Record<string, string>> = {
  '@prisma/client': 'Prisma',
  'drizzle-orm': 'Drizzle',
  '@mikro-orm/core': 'MikroORM',
  '@nestjs/mongoose': 'Mongoose',
};

/** A starter that depends on another package as well. */
export function withPackage(name: string): Files {
  const manifest = JSON.parse(starter()['package.json']!) as { dependencies: object };
  const dependencies = { ...manifest.dependencies, [name]: '^1.0.0' };
  return { ...starter(), 'package.json': JSON.stringify({ ...manifest, dependencies }) };
}

/** Applications that are not understood, and what the refusal says. */
export const REFUSED: Readonly<Record<string, readonly [files: Files, reason: RegExp]>> = {
  'without Nest': [withDependencies({}), /no Nest application/],
  'on Nest 10': [withDependencies({ '@nestjs/core': '^10.0.0' }), /neither 11 nor 12/],
  'on TypeORM 0.2': [withDependencies({ '@nestjs/core': '^12.0.0', typeorm: '^0.2.45' }), /neither TypeORM 0\.3 nor/],
  'without a main.ts': [withMain(undefined), /no src\/main\.ts/],
  'started from a function': [
    withMain(
      "import { NestFactory } from '@nestjs/core';\nimport { AppModule } from './app.module.js';\nawait NestFactory.create(AppModule.forRoot());\n",
    ),
    /does not start one module/,
  ],
  'started by an alias': [
    withMain(
      "import { NestFactory } from '@nestjs/core';\nimport { AppModule } from '@/app.module';\nawait NestFactory.create(AppModule);\n",
    ),
    /no relative path/,
  ],
  'with metadata from elsewhere': [withModule(text => text.replace(/\{\n[^]*\n\}/, 'metadata')), /no class AppModule/],
  'with a computed list of imports': [withModule(text => text.replace('[]', 'modules()')), /"imports" is no list/],
  'with a comment in a list': [withModule(text => text.replace('[]', '[/* none yet */]')), /a comment/],
  'with a comment beside the last element of a list': [
    withModule(text => text.replace('[AppController]', '[\n    AppController, // greets\n  ]')),
    /line 6: a list with a comment/,
  ],
  'with a SessionModule of its own': [
    withModule(text => `import { SessionModule } from './session.module.js';\n${text}`),
    /a SessionModule of its own/,
  ],
  'with an environment.ts': [{ ...starter(), 'src/environment.ts': 'export {};\n' }, /environment\.ts already/],
  'on another database': [withDataSource("type: 'mysql'"), /not of type 'postgres'/],
  'with a named data source': [withDataSource("type: 'postgres', name: 'users'"), /a name of its own/],
  'with options from elsewhere': [withDataSource("type: 'postgres', ...options"), /from elsewhere/],
  'with computed entities': [withDataSource("type: 'postgres', entities: all()"), /entities that are not written/],
  'with computed migrations': [
    withDataSource("type: 'postgres', autoLoadEntities: true, migrations: all()"),
    /migrations that are not written/,
  ],
  'that loads no entities': [withDataSource("type: 'postgres', autoLoadEntities: false"), /but not true/],
  'with an options object': [withImports('TypeOrmModule.forRoot(options)'), /options are not written/],
  'with a factory that cannot be read': [
    withImports('TypeOrmModule.forRootAsync({ useFactory: databaseOptions })'),
    /a factory that cannot be read/,
  ],
  'with a class of options that is not there': [
    withImports('TypeOrmModule.forRootAsync({ useClass: Options })'),
    /cannot be read/,
  ],
  'with options of a package': [
    withImports(
      'TypeOrmModule.forRoot(options)',
      "import { TypeOrmModule } from '@nestjs/typeorm';\nimport { options } from 'company';",
    ),
    /options are not written/,
  ],
  'with shared options that are overridden': [
    { ...withDataSourceFile('{ ...dataSourceOptions, migrations: [] }') },
    /sets migrations beside options from elsewhere/,
  ],
  'with two data sources': [
    withImports("TypeOrmModule.forRoot({ type: 'postgres' }), TypeOrmModule.forRoot({ type: 'postgres', name: 'b' })"),
    /several data sources/,
  ],
  'that imports all of a package': [
    withImports("typeorm.TypeOrmModule.forRoot({ type: 'mysql' })", "import * as typeorm from '@nestjs/typeorm';"),
    /imports all of @nestjs\/typeorm/,
  ],
  'with a data source out of sight': [withImports('TypeOrmModule.forFeature([])'), /none of the sources sets it up/],
};

function appModule(extension = '.js'): string {
  return `import { Module } from '@nestjs/common';
import { AppController } from './app.controller${extension}';

@Module({
  imports: [],
  controllers: [AppController],
  providers: [],
})
export class AppModule {}
`;
}

function withDependencies(dependencies: object): Files {
  return { ...starter(), 'package.json': JSON.stringify({ dependencies }) };
}

function withMain(text: string | undefined): Files {
  const { 'src/main.ts': _main, ...others } = starter();
  return text === undefined ? others : { ...others, 'src/main.ts': text };
}

function withModule(change: (text: string) => string): Files {
  return { ...starter(), 'src/app.module.ts': change(appModule()) };
}

function withDataSource(options: string): Files {
  return withImports(`TypeOrmModule.forRoot({ ${options} })`);
}

function withConfig(options: string): Files {
  return withImports(`ConfigModule.forRoot(${options})`, "import { ConfigModule } from '@nestjs/config';");
}

function withDataSourceFile(argument: string, imported = 'dataSourceOptions'): Files {
  return withImports(
    `TypeOrmModule.forRoot(${argument})`,
    `import { TypeOrmModule } from '@nestjs/typeorm';\nimport { ${imported} } from './data-source.js';`,
    dataSourceFile(),
  );
}

function dataSourceFile(): Files {
  return {
    'src/data-source.ts': `import { DataSource, type DataSourceOptions } from 'typeorm';

export const dataSourceOptions: DataSourceOptions = {
  type: 'postgres',
  url: process.env.DATABASE_URL,
  entities: ['dist/**/*.entity.js'],
  migrations: ['dist/migrations/*.js'],
};

export const AppDataSource = new DataSource(dataSourceOptions);
`,
  };
}
