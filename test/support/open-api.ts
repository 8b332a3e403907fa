import type { INestApplication } from '@nestjs/common';

export interface Operation {
  readonly summary?: string;
  readonly security?: object[];
  readonly requestBody?: { required?: boolean; content: Record<string, { schema: { properties?: object } }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

export interface OpenApiDocument {
  /** By method and path, such as `GET /session`. */
  readonly operations: ReadonlyMap<string, Operation>;
  readonly schemas: Readonly<Record<string, { properties: Record<string, object>; required?: string[] }>>;
}

interface Builder {
  addBearerAuth(): Builder;
  addCookieAuth(name: string): Builder;
  build(): object;
}

interface Swagger {
  DocumentBuilder: new () => Builder;
  SwaggerModule: {
    createDocument(
      app: INestApplication,
      config: object,
    ): { paths: Record<string, Record<string, Operation>>; components: { schemas: OpenApiDocument['schemas'] } };
  };
}

// An optional package: the name is not resolved when the tests are type-checked.
const SWAGGER: string = '@nestjs/swagger';

/** The document that @nestjs/swagger makes of the routes below a path. */
export async function openApiOf(app: INestApplication, below: string): Promise<OpenApiDocument> {
  const { DocumentBuilder, SwaggerModule } = (await import(SWAGGER)) as Swagger;
  const config = new DocumentBuilder().addBearerAuth().addCookieAuth('__Host-Http-access_token').build();
  const { paths, components } = SwaggerModule.createDocument(app, config);
  const operations = Object.entries(paths)
    .filter(([path]) => path.startsWith(below))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    );
  return { operations: new Map(operations), schemas: components.schemas };
}

type ErrorClass = (abstract new (argument: never) => { getStatus(): number }) & { code?: string };

/** The status of each error code of a module's exports. */
export function statusesOf(exported: object): Map<string, string> {
  const classes = (Object.values(exported) as ErrorClass[]).filter(
    value => typeof value === 'function' && typeof value.code === 'string',
  ) as unknown as { code: string; new (argument: unknown): { getStatus(): number } }[];
  return new Map(classes.map(error => [error.code, String(new error([]).getStatus())]));
}

/** What is refused, with each code whose status is another one than documented. */
export function misplacedCodes(document: OpenApiDocument, statuses: ReadonlyMap<string, string>): string[] {
  return [...document.operations].flatMap(([name, { responses }]) =>
    Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .flatMap(([status, { description }]) => description.split(', ').map(code => [status, code] as const))
      .filter(([status, code]) => code !== '' && statuses.get(code) !== status)
      .map(([status, code]) => `${name}: ${status} ${code}`),
  );
}

/** The schema of an accepted answer. */
export function answerOf(document: OpenApiDocument, name: string, status = '200'): object | undefined {
  return document.operations.get(name)!.responses[status]!.content?.['application/json']!.schema;
}
