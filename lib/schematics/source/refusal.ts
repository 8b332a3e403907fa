/** The application is not understood and not changed. The message says why. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
