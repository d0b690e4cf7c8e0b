import { AppError } from '../errors.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';

/** What the gateway itself refuses; `error-response.ts` gives each its status and issue code. */
export type GatewayCode =
  | 'bad-request'
  | 'structure'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'gone'
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'conflict'
  | 'precondition-failed'
  | 'multiple-matches'
  | 'too-large'
  | 'unsupported-media-type'
  | 'profile'
  | 'unprocessable'
  | 'too-many-requests'
  | 'uncertain'
  | 'not-implemented'
  | 'rule-set-missing'
  | 'cursor-expired'
  | 'body-pruned';

export interface GatewayErrorDetail {
  /** What the client may read; fixed text or made of known vocabulary only, never of a value it sent. */
  readonly external: string;
  /** Issues to show instead of one made of `external`. */
  readonly issues?: readonly OutcomeIssue[];
  /** Findings for the record, where they are more than the client is told. */
  readonly found?: readonly OutcomeIssue[];
  /** FHIRPath places that are at fault. */
  readonly expression?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** For logs and metrics: a word of a closed vocabulary. */
  readonly reason?: string;
  readonly cause?: unknown;
}

/** A refusal by the gateway. `detail.external` goes to the client, nothing else does. */
export class GatewayError extends AppError<GatewayCode> {
  readonly detail: GatewayErrorDetail;
  constructor(code: GatewayCode, detail: GatewayErrorDetail) {
    super(code, detail.external, { cause: detail.cause });
    this.detail = detail;
  }
}
