import { AppError } from '../errors.ts';

/** Input that cannot be read as what it should be; what can be read and does not hold is a `VerificationError`. */
export type FormatCode =
  | 'malformed-encoding'
  | 'malformed-json'
  | 'malformed-key'
  | 'malformed-note'
  | 'malformed-checkpoint'
  | 'malformed-cosignature'
  | 'malformed-policy'
  | 'malformed-tile-path'
  | 'malformed-entry-bundle'
  | 'malformed-batch'
  | 'malformed-cut'
  | 'malformed-genesis'
  | 'malformed-event'
  | 'malformed-receipt'
  | 'malformed-governance'
  | 'malformed-evidence'
  | 'too-large';

export class FormatError extends AppError<FormatCode> {}

/** What a reader returns, or undefined where the input is not of its format; any other error goes on. */
export function readOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
