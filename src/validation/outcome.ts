/** A validation report as FHIR R4 OperationOutcome (http://hl7.org/fhir/R4/operationoutcome.html), the answer of `$validate`. */
import type { OperationOutcome, OperationOutcomeIssue } from '@medplum/fhirtypes';
import type { ValidationIssue, ValidationReport } from './validator.ts';

const issueLine = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line';
const issueColumn = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col';
const issueSource = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-source';
const messageId = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id';

/**
 * The first issue is informational and says by which engine, packages and profiles it was judged; the findings follow in their order.
 * @param context as `Validator.context`
 */
export function outcomeOf(
  report: ValidationReport,
  context: { packages: readonly string[]; engine: string },
): OperationOutcome {
  return {
    resourceType: 'OperationOutcome',
    issue: [contextIssue(report, context), ...report.issues.map(outcomeIssue)],
  };
}

function contextIssue(
  report: ValidationReport,
  context: { packages: readonly string[]; engine: string },
): OperationOutcomeIssue {
  const against = report.profiles.length === 0 ? 'no profile' : report.profiles.join(', ');
  const verdict = report.valid ? 'Valid' : 'Not valid';
  return {
    severity: 'information',
    code: 'informational',
    details: { text: `${verdict}: judged by ${context.engine} with ${context.packages.join(', ')} against ${against}` },
  };
}

function outcomeIssue(issue: ValidationIssue): OperationOutcomeIssue {
  const extension = [
    ...(issue.line === undefined ? [] : [{ url: issueLine, valueInteger: issue.line }]),
    ...(issue.column === undefined ? [] : [{ url: issueColumn, valueString: String(issue.column) }]),
    { url: messageId, valueString: issue.id },
    ...(issue.profile === undefined ? [] : [{ url: issueSource, valueString: issue.profile }]),
  ];
  return {
    extension,
    severity: issue.severity,
    code: issue.code as NonNullable<OperationOutcomeIssue['code']>,
    details: { text: issue.text },
    ...(issue.expression !== undefined && { expression: [issue.expression] }),
  };
}
