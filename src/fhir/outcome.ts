/** OperationOutcome building (http://hl7.org/fhir/R4/operationoutcome.html): the shape of every error and warning that leaves the gateway. */

export type OutcomeSeverity = 'fatal' | 'error' | 'warning' | 'information';

export interface OutcomeIssue {
  readonly severity: OutcomeSeverity;
  /** http://hl7.org/fhir/issue-type */
  readonly code: string;
  readonly text: string;
  readonly expression?: readonly string[];
  /** Stable id of the check that found it. */
  readonly id?: string;
  /** 1-based place in the text that was sent. */
  readonly line?: number;
  readonly column?: number;
  readonly profile?: string;
}

interface Extension {
  readonly url: string;
  readonly valueInteger?: number;
  readonly valueCanonical?: string;
}

export interface OperationOutcome {
  readonly resourceType: 'OperationOutcome';
  readonly issue: readonly Record<string, unknown>[];
}

/** The system of `details.coding` for the ids of findings. */
export const FINDING_SYSTEM = 'urn:concordat:finding';

const LINE_URL = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line';
const COLUMN_URL = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col';
const PROFILE_URL = 'urn:concordat:issue-profile';

/** One issue in FHIR form; line, column and profile stand in extensions. */
function issueElement(issue: OutcomeIssue): Record<string, unknown> {
  const extension: Extension[] = [];
  if (issue.line !== undefined) extension.push({ url: LINE_URL, valueInteger: issue.line });
  if (issue.column !== undefined) extension.push({ url: COLUMN_URL, valueInteger: issue.column });
  if (issue.profile !== undefined) extension.push({ url: PROFILE_URL, valueCanonical: issue.profile });
  const coding = issue.id === undefined ? {} : { coding: [{ system: FINDING_SYSTEM, code: issue.id }] };
  return {
    ...(extension.length > 0 ? { extension } : {}),
    severity: issue.severity,
    code: issue.code,
    details: { ...coding, text: issue.text },
    ...(issue.expression !== undefined && issue.expression.length > 0 ? { expression: issue.expression } : {}),
  };
}

/** An OperationOutcome of at least one issue; without any, one that says that all is well. */
export function operationOutcome(issues: readonly OutcomeIssue[]): OperationOutcome {
  const shown: readonly OutcomeIssue[] =
    issues.length > 0 ? issues : [{ severity: 'information', code: 'informational', text: 'All OK' }];
  return { resourceType: 'OperationOutcome', issue: shown.map(issueElement) };
}
