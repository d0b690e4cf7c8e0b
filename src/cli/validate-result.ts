/** One validated resource as every output format sees it. */
import type { ValidationIssue, ValidationReport } from '../validation/validator.ts';
import type { ResourceInput } from './validate-input.ts';

export interface ResultIssue {
  readonly severity: string;
  readonly id: string;
  readonly expression: string | null;
  /** 1-based place in the file. */
  readonly line: number | null;
  readonly column: number | null;
  readonly profile: string | null;
  readonly text: string;
}

/** The line of `--format ndjson`: every member is there, null where there is nothing to say. */
export interface ValidationResult {
  readonly file: string | null;
  readonly line: number | null;
  readonly id: string | null;
  readonly valid: boolean;
  readonly issues: readonly ResultIssue[];
}

/** What formats need beyond the line. */
export interface FormattedResult {
  readonly result: ValidationResult;
  readonly report: ValidationReport;
}

export function resultOf(input: ResourceInput, id: string | null, report: ValidationReport): ValidationResult {
  return {
    file: input.file,
    line: input.line,
    id,
    valid: report.valid,
    issues: report.issues.map((issue) => resultIssue(issue, input)),
  };
}

/** A place inside an NDJSON line is a place on that line of the file. */
function resultIssue(issue: ValidationIssue, input: ResourceInput): ResultIssue {
  const line = issue.line === undefined ? input.line : input.line === null ? issue.line : input.line + issue.line - 1;
  return {
    severity: issue.severity,
    id: issue.id,
    expression: issue.expression ?? null,
    line,
    column: issue.column ?? null,
    profile: issue.profile ?? null,
    text: issue.text,
  };
}

/** A report for what is no resource at all. */
export function fatalReport(id: string, text: string): ValidationReport {
  const issue: ValidationIssue = {
    id,
    severity: 'fatal',
    code: 'structure',
    expression: undefined,
    line: undefined,
    column: undefined,
    profile: undefined,
    text,
    fingerprint: id,
  };
  return { valid: false, issues: [issue], resourceType: undefined, profiles: [] };
}

export interface Totals {
  resources: number;
  invalid: number;
  /** Issues by severity. */
  fatal: number;
  error: number;
  warning: number;
  information: number;
}

export function emptyTotals(): Totals {
  return { resources: 0, invalid: 0, fatal: 0, error: 0, warning: 0, information: 0 };
}

export function count(totals: Totals, report: ValidationReport): void {
  totals.resources++;
  if (!report.valid) totals.invalid++;
  for (const issue of report.issues) totals[issue.severity]++;
}
