/** The application is left as it is. The message says why, and what to write by hand. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
