import { AppError } from '../errors.ts';

/** `malformed`: the patch document itself is wrong. `not-applicable`: it does not fit the resource as it is. `test-failed`: its own test says no. */
export type PatchCode = 'malformed' | 'not-applicable' | 'test-failed';

export class PatchError extends AppError<PatchCode> {
  /** Zero-based operation that failed. */
  readonly operation: number;
  constructor(code: PatchCode, operation: number, message: string) {
    super(code, message);
    this.operation = operation;
  }
}
