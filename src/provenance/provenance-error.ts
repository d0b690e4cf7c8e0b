import { AppError } from '../errors.ts';

/**
 * `unavailable`: nothing can be recorded now (disk full, store broken), so nothing may be disclosed or sent on; 503 `no-store`.
 * `throttled`: more events wait for the ledger than the outbox may hold; 503 `throttled` with Retry-After.
 * `key`: the master key does not open this store. `schema`: the store was written by a newer release. `corrupt`: a stored part does not open.
 * `other-log`: the store's events belong to a log from which the configured one does not go on.
 */
export type ProvenanceCode = 'unavailable' | 'throttled' | 'key' | 'schema' | 'corrupt' | 'other-log';

export class ProvenanceError extends AppError<ProvenanceCode> {}
