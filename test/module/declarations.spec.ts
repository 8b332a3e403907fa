import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { BUILT_PACKAGE } from '../support/built-package.js';

// The tsconfig of the Nest 12 starter.
const STARTER: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  resolvePackageJsonExports: true,
  esModuleInterop: true,
  isolatedModules: true,
  declaration: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  allowSyntheticDefaultImports: true,
  target: ts.ScriptTarget.ES2023,
  skipLibCheck: true,
  strict: true,
  strictPropertyInitialization: false,
  types: ['node'],
  noEmit: true,
};

// Libraries are parsed once for all programs.
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Compiles sources as files beside package.json, where the package finds itself by its name, as built. */
function compile(sources: Record<string, string>): Record<string, string[]> {
  const files = new Map(Object.entries(sources).map(([name, text]) => [`${BUILT_PACKAGE}consumer-${name}`, text]));
  const host = ts.createCompilerHost(STARTER);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = name => files.has(name) || fileExists.call(host, name);
  host.readFile = name => files.get(name) ?? readFile.call(host, name);
  host.getSourceFile = (name, languageVersion, ...rest) => {
    const text = files.get(name);
    if (text !== undefined) return ts.createSourceFile(name, text, languageVersion);
    if (!parsed.has(name)) parsed.set(name, getSourceFile.call(host, name, languageVersion, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram([...files.keys()], STARTER, host);
  const resolved = program.getSourceFiles().some(({ fileName }) => fileName === `${BUILT_PACKAGE}dist/index.d.ts`);
  if (!resolved) throw new Error('the consumer was not compiled against dist: build the package first');
  const errors = Object.fromEntries(Object.keys(sources).map(name => [name, [] as string[]]));
  for (const { code, messageText, file } of ts.getPreEmitDiagnostics(program)) {
    const name = file?.fileName.replace(`${BUILT_PACKAGE}consumer-`, '') ?? '';
    (errors[name] ??= []).push(`TS${code}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
  }
  return errors;
}

const CONTROLLER = `
  import { Body, Controller, Get, Injectable, Module, Post, UseGuards, type ExecutionContext } from '@nestjs/common';
  import { APP_GUARD } from '@nestjs/core';
  import { TypeOrmModule } from '@nestjs/typeorm';
  import {
    CurrentSession, Exchange, OptionalSession, Public, SESSION_ENTITIES, SESSION_MIGRATIONS, SessionController,
    SessionExchange, SessionGuard, SessionModule, SessionService, sessionOf, UserSession,
    type SessionEvent, type SessionModuleOptions, type SessionOptionsFactory,
  } from 'nestjs-jwt-session';

  @Controller()
  export class AuthController {
    constructor(private readonly sessions: SessionService) {}

    @Post('login')
    async login(@Body() body: { userId: string }, @Exchange() exchange: SessionExchange) {
      return this.sessions.logIn(body.userId, { exchange, claims: { role: 'admin' } });
    }

    @Get('me')
    @UseGuards(SessionGuard)
    me(@CurrentSession() session: UserSession) {
      return { userId: session.userId, role: session.claims.role };
    }

    @Get('home')
    @OptionalSession()
    home(@CurrentSession() session: UserSession | undefined): string {
      return session?.userId ?? 'nobody';
    }
  }

  @Injectable()
  export class RoleGuard extends SessionGuard {
    protected override attach(exchange: SessionExchange, session: UserSession | undefined, context: ExecutionContext) {
      super.attach(exchange, session, context);
      Object.assign(exchange.request, { user: sessionOf(context)?.userId });
    }
  }

  @Controller('auth')
  @Public()
  export class Mine extends SessionController {}

  @Injectable()
  export class Options implements SessionOptionsFactory {
    createSessionOptions(): SessionModuleOptions {
      return { secret: process.env.SESSION_SECRET, accessToken: { lifetime: '5m' }, cookies: { sameSite: 'lax' } };
    }
  }

  export function log(event: SessionEvent): string {
    return event.type === 'session.refused' ? event.code : event.type;
  }

  class Secrets { readonly own: string = ''; }

  @Module({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', entities: [...SESSION_ENTITIES], migrations: [...SESSION_MIGRATIONS] }),
      SessionModule.forRoot({ secret: process.env.SESSION_SECRET, controller: { path: 'auth' } }),
      SessionModule.forRootAsync({ inject: [Secrets], useFactory: async (secrets: Secrets) => ({ secret: secrets.own }) }),
      SessionModule.forRootAsync({ useClass: Options, isGlobal: false }),
    ],
    providers: [{ provide: APP_GUARD, useExisting: SessionGuard }],
  })
  export class AppModule {}
`;

const AUGMENTED = `
  import { SessionService, UserSession } from 'nestjs-jwt-session';
  import { FakeSessionGuard } from 'nestjs-jwt-session/testing';

  declare module 'nestjs-jwt-session' {
    interface SessionClaims { role: 'admin' | 'user' }
    interface SessionData { theme: string }
  }

  export async function use(session: UserSession, sessions: SessionService): Promise<'admin' | 'user'> {
    await sessions.logIn('ada', { claims: { role: 'user', team: 7 }, data: { theme: 'dark' } });
    const theme: string | undefined = (await sessions.getData(session.id))?.theme;
    new FakeSessionGuard({ userId: 'ada', claims: { role: 'admin' } });
    return theme === 'dark' ? session.claims.role : 'user';
  }
`;

/** The published declarations, as text. */
function declarations(): { file: string; text: string }[] {
  return readdirSync(`${BUILT_PACKAGE}dist`, { recursive: true, encoding: 'utf8' })
    .filter(file => /\.d\.c?ts$/.test(file))
    .map(file => ({ file, text: readFileSync(`${BUILT_PACKAGE}dist/${file}`, 'utf8') }));
}

const MISTAKES = `
  import { SessionModule, type SessionService } from 'nestjs-jwt-session';
  SessionModule.forRoot({ leeway: '5s' });
  SessionModule.forRoot({ session: { leeway: 5 } });
  SessionModule.forRootAsync({ useFactory: () => ({}), secret: 'x' });
  export const logIn = (sessions: SessionService) => sessions.logIn(7);
`;

const WRONG_CLAIMS = `
  import type { SessionService } from 'nestjs-jwt-session';
  export const logIn = (sessions: SessionService) => sessions.logIn('ada', { claims: { role: 'BUILT_PACKAGE' } });
`;

describe('the published types', () => {
  it("serve an application on the Nest starter's tsconfig, and refuse its mistakes", () => {
    const errors = compile({ 'controller.ts': CONTROLLER, 'mistakes.ts': MISTAKES });
    // Decorated signatures need no `import type`, which isolatedModules would ask for with an interface (TS1272).
    expect(errors['controller.ts']).toEqual([]);
    expect(errors['mistakes.ts']!.map(error => error.slice(0, 6))).toEqual(['TS2353', 'TS2322', 'TS2353', 'TS2345']);
  });

  it('can be augmented, so that claims and data are typed everywhere', () => {
    const errors = compile({ 'augmented.ts': AUGMENTED, 'wrong.ts': WRONG_CLAIMS });
    expect(errors['augmented.ts']).toEqual([]);
    expect(errors['wrong.ts']).toEqual([
      expect.stringContaining(`Type '"BUILT_PACKAGE"' is not assignable to type '"admin" | "user"'`),
    ]);
  });

  it('need no optional dependency', () => {
    const optional =
      /['"](@nestjs\/(schedule|throttler|graphql|apollo|websockets|platform-[\w.-]+|swagger)|express|fastify|graphql|nodemailer|@node-rs)/;
    const found = declarations();
    expect(found.length).toBeGreaterThan(15);
    expect(found.filter(({ text }) => optional.test(text)).map(({ file }) => file)).toEqual([]);
  });

  it('name only packages that an application has: dependencies and required peers', () => {
    const manifest = JSON.parse(readFileSync(`${BUILT_PACKAGE}package.json`, 'utf8')) as {
      dependencies: object;
      peerDependencies: object;
      peerDependenciesMeta: Record<string, { optional: boolean }>;
    };
    const known = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].filter(
      name => !manifest.peerDependenciesMeta[name]?.optional,
    );
    const named = declarations().flatMap(({ text }) =>
      [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^.'"][^'"]*)['"]/g)].map(([, name]) => name!),
    );
    const packages = new Set(named.filter(name => !name.startsWith('node:')).map(name => packageOf(name)));
    expect([...packages].filter(name => !known.includes(name))).toEqual([]);
  });
});

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
