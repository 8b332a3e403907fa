import type { Type } from '@nestjs/common';

/** A schema of OpenAPI, as @nestjs/swagger takes it. */
export interface OpenApiSchema {
  readonly type: 'string' | 'integer' | 'boolean' | 'object' | 'array';
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

export interface RouteDescription {
  readonly summary: string;
  /** The members of the body. */
  readonly body?: Readonly<Record<string, OpenApiSchema>>;
  /** Whether the body may be left out, or lack members. */
  readonly optionalBody?: boolean;
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
 * Describes a route for @nestjs/swagger. It writes the metadata that the package reads, under the package's keys, so that
 * applications without it need not install it. A test compares the document that the package makes.
 */
export function ApiRoute(route: RouteDescription): MethodDecorator {
  return (_target, _name, { value: handler }: PropertyDescriptor) => {
    const write = (key: string, value: unknown) => Reflect.defineMetadata(`swagger/${key}`, value, handler as object);
    write('apiOperation', { summary: route.summary });
    write('apiResponse', responsesOf(route));
    if (route.body) write('apiParameters', [bodyOf(route.body, route.optionalBody)]);
    if (route.secured) write('apiSecurity', [{ bearer: [] }, { cookie: [] }]);
  };
}

/** Describes a property of an answer, likewise. */
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

function bodyOf(properties: Readonly<Record<string, OpenApiSchema>>, optional = false) {
  const required = optional ? {} : { required: Object.keys(properties) };
  return { in: 'body', type: String, required: !optional, schema: { type: 'object', properties, ...required } };
}
