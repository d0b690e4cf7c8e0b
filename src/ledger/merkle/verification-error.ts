import { AppError } from '../../errors.ts';

/** Why something that could be read does not hold. Unreadable input is a `FormatError` instead. */
export type VerificationCode =
  // trees
  | 'index-range'
  | 'size-range'
  | 'hash-length'
  | 'proof-length'
  | 'root-mismatch'
  // signatures and who may make them
  | 'bad-signature'
  | 'unknown-log'
  | 'wrong-log'
  | 'no-quorum'
  // receipts
  | 'malformed-receipt'
  | 'event-mismatch'
  | 'unknown-member'
  | 'suspended'
  | 'genesis-mismatch'
  // an epoch ended the log before this
  | 'log-ended'
  // governance history
  | 'history-broken'
  // evidence files
  | 'no-contradiction'
  // the platform has no Ed25519
  | 'unavailable';

export class VerificationError extends AppError<VerificationCode> {}
