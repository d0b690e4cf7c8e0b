import { AppError } from '../errors.ts';

/**
 * `damaged`: stored files are not what was committed; rebuild the replica from the topic or a peer. `configuration`: options that cannot work together.
 * `genesis-mismatch`: the topic begins with another genesis. `restored-backup`: the sealing state is older than what this writer has published.
 * `unavailable`: what is asked is not to be had now. `not-found`: it does not exist.
 */
export type LedgerCode =
  'damaged' | 'configuration' | 'genesis-mismatch' | 'restored-backup' | 'unavailable' | 'not-found';

export class LedgerError extends AppError<LedgerCode> {}
