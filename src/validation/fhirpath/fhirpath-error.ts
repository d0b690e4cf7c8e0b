import { AppError } from '../../errors.ts';

/**
 * `syntax`: not FHIRPath. `declined`: FHIRPath that the compiler leaves to the library. `evaluation`: fails on this focus, as the specification
 * demands (several items where one is allowed, operands of wrong types).
 */
export class FhirPathError extends AppError<'syntax' | 'declined' | 'evaluation'> {}
