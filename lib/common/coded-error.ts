import { HttpException, type HttpStatus } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';

/**
 * A refusal with a code that programs can rely on. The body has Nest 12's own shape, also on Nest 11:
 * `{ statusCode, error, errorCode, message }`, and `details` beside them.
 */
export abstract class CodedError<Code extends string> extends HttpException {
  /** Nest 12 sets it from the options, Nest 11 has no such property. */
  declare readonly errorCode: Code;

  protected constructor(status: HttpStatus, errorCode: Code, message: string, details: object = {}) {
    super({ statusCode: status, error: STATUS_CODES[status], errorCode, message, ...details }, status);
    Object.defineProperty(this, 'errorCode', { value: errorCode, enumerable: true });
  }

  /** The code and its details, which GraphQL servers answer beside the message; mercurius answers nothing else. */
  get extensions(): object {
    const { statusCode: _status, error: _error, message: _message, ...rest } = this.getResponse() as CodedBody;
    return rest;
  }
}

interface CodedBody {
  readonly statusCode: HttpStatus;
  readonly error: string;
  readonly message: string;
}
