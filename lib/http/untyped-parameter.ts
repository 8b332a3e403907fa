/** Where TypeScript writes the types of a method's parameters. */
const PARAMETER_TYPES = 'design:paramtypes';

/**
 * Hides the class of a parameter from pipes. A global `ValidationPipe` with `validateCustomDecorators` would replace
 * the parameter by a copy: of a session without its dates, of an exchange with its whole socket.
 */
export const untypedParameter: ParameterDecorator = (target, method, index) => {
  if (method === undefined) return;
  const types = Reflect.getOwnMetadata(PARAMETER_TYPES, target, method) as unknown[] | undefined;
  // Decorators run from the last to the first, so the types are there already if the compiler writes any.
  if (types) Reflect.defineMetadata(PARAMETER_TYPES, types.with(index, Object), target, method);
};
