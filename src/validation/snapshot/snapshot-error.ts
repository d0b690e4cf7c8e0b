import { AppError } from '../../errors.ts';

/**
 * - `base-missing`: the base definition is in no package that the definition sees
 * - `cyclic`: the chain of base definitions returns to itself
 * - `malformed`: the differential names an element that its base does not have, or is not a list of elements
 */
export type SnapshotErrorCode = 'base-missing' | 'cyclic' | 'malformed';

export class SnapshotError extends AppError<SnapshotErrorCode> {}
