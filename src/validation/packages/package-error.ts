import { AppError } from '../../errors.ts';

/**
 * - `unreadable`: the archive or folder is missing, cut short, too large or not a FHIR package
 * - `not-found`: no package of that id and version in the packages folder
 * - `unusable`: a profile that was named cannot be resolved, or its base is missing
 * - `lock`: the packages differ from the lock file
 */
export type PackageErrorCode = 'unreadable' | 'not-found' | 'unusable' | 'lock';

export class PackageError extends AppError<PackageErrorCode> {}
