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
  readonly valueString?: string;
}

export interface OperationOutcome {
  readonly resourceType: 'OperationOutcome';
  readonly issue: readonly Record<string, unknown>[];
}

const EXTENSION_BASE = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-';

/** One issue in FHIR form; place, check and profile stand in HL7's extensions of OperationOutcome.issue. */
function issueElement(issue: OutcomeIssue): Record<string, unknown> {
  const extension: Extension[] = [];
  const { line, column, id, profile } = issue;
  if (line !== undefined) extension.push({ url: `${EXTENSION_BASE}issue-line`, valueInteger: line });
  if (column !== undefined) extension.push({ url: `${EXTENSION_BASE}issue-col`, valueString: String(column) });
  if (id !== undefined) extension.push({ url: `${EXTENSION_BASE}message-id`, valueString: id });
  if (profile !== undefined) extension.push({ url: `${EXTENSION_BASE}issue-source`, valueString: profile });
  return {
    ...(extension.length > 0 ? { extension } : {}),
    severity: issue.severity,
    code: issue.code,
    details: { text: issue.text },
    ...(issue.expression !== undefined && issue.expression.length > 0 ? { expression: issue.expression } : {}),
  };
}

/** An OperationOutcome of at least one issue; without any, one that says that all is well. */
export function operationOutcome(issues: readonly OutcomeIssue[]): OperationOutcome {
  const shown: readonly OutcomeIssue[] =
    issues.length > 0 ? issues : [{ severity: 'information', code: 'informational', text: 'All OK' }];
  return { resourceType: 'OperationOutcome', issue: shown.map(issueElement) };
}
