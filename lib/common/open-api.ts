import type { Type } from '@nestjs/common';

/** A schema of OpenAPI, as @nestjs/swagger takes it. */
export interface OpenApiSchema {
  /** A function names the class of another answer. */
  readonly type: 'string' | 'integer' | 'boolean' | 'object' | 'array' | (() => Type);
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

export interface RouteDescription {
  readonly summary: string;
  /** The members of the body. */
  readonly body?: Readonly<Record<string, OpenApiSchema>>;
  /** The members that the body must have: all, unless given. Without any the body may be left out. */
  readonly required?: readonly string[];
  readonly status: number;
  /** The class of the answer, or of each element in an array; none for an empty answer. */
  readonly answer?: Type | [Type];
  /** The error codes of each refused status. */
  readonly refusals: Readonly<Record<number, readonly string[]>>;
  readonly refusal: Type;
  /** Whether the request needs the access token, as bearer token or cookie. */
  readonly secured?: boolean;
}

/**
 * Describes a route for @nestjs/swagger. It writes the metadata that the package reads, under the package's keys, so
 * that applications without it need not install it. A test compares the document that the package makes.
 */
export function ApiRoute(route: RouteDescription): MethodDecorator {
  return (_target, _name, { value: handler }: PropertyDescriptor) => describe(handler as object, route);
}

/** Describes all routes of a controller, by the names of its methods. */
export function describeRoutes<T>(controller: Type<T>, routes: Readonly<Partial<Record<keyof T, RouteDescription>>>) {
  for (const [name, route] of Object.entries(routes) as [string, RouteDescription][]) {
    describe((controller.prototype as Record<string, object>)[name]!, route);
  }
}

function describe(handler: object, route: RouteDescription): void {
  const write = (key: string, value: unknown) => Reflect.defineMetadata(`swagger/${key}`, value, handler);
  write('apiOperation', { summary: route.summary });
  write('apiResponse', responsesOf(route));
  if (route.body) write('apiParameters', [bodyOf(route.body, route.required)]);
  if (route.secured) write('apiSecurity', [{ bearer: [] }, { cookie: [] }]);
}

/** Describes a property of an answer for @nestjs/swagger. */
export function ApiField(schema: OpenApiSchema & { readonly required?: boolean }): PropertyDecorator {
  return (prototype, name) => {
    const names = (Reflect.getMetadata('swagger/apiModelPropertiesArray', prototype) as string[] | undefined) ?? [];
    Reflect.defineMetadata('swagger/apiModelPropertiesArray', [...names, `:${String(name)}`], prototype);
    Reflect.defineMetadata('swagger/apiModelProperties', { required: true, ...schema }, prototype, name);
  };
}

function responsesOf({ status, answer, refusals, refusal }: RouteDescription) {
  const [type, isArray] = Array.isArray(answer) ? [answer[0], true] : [answer, false];
  const refused = Object.entries(refusals).map(([code, errors]) => [
    code,
    { description: errors.join(', '), type: refusal, isArray: false },
  ]);
  return { [status]: { description: '', type, isArray }, ...(Object.fromEntries(refused) as object) };
}

function bodyOf(
  properties: Readonly<Record<string, OpenApiSchema>>,
  required: readonly string[] = Object.keys(properties),
) {
  const isRequired = required.length > 0;
  const schema = { type: 'object', properties, ...(isRequired ? { required } : {}) };
  return { in: 'body', type: String, required: isRequired, schema };
}
