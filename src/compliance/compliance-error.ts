import { AppError } from '../errors.ts';

/**
 * `unknown-parameter` and `bad-value`: a search that cannot be answered as asked; 400, and `parameter` names it. `bad-page`: a paging link that was not
 * made here; 400. `upstream`: the version to verify cannot be had now; 502. `unavailable`: the store cannot be read; 503.
 */
export type ComplianceCode = 'unknown-parameter' | 'bad-value' | 'bad-page' | 'upstream' | 'unavailable';

export class ComplianceError extends AppError<ComplianceCode> {
  /** Name of the search parameter, never its value. */
  readonly parameter: string | undefined;

  constructor(code: ComplianceCode, message: string, options?: { cause?: unknown; parameter?: string }) {
    super(code, message, options);
    this.parameter = options?.parameter;
  }
}
