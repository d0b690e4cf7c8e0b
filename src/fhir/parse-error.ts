import { AppError } from '../errors.ts';

export type FhirParseCode = 'json-syntax' | 'too-deep';

/** A text that cannot be read as JSON within the limits; says where, never what stands there. */
export class FhirParseError extends AppError<FhirParseCode> {
  /** UTF-16 offset into the text. */
  readonly offset: number;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;

  constructor(code: FhirParseCode, message: string, place: { offset: number; line: number; column: number }) {
    super(code, message);
    this.offset = place.offset;
    this.line = place.line;
    this.column = place.column;
  }
}
