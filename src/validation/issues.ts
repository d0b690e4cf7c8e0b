/** Findings as issues: severity by the policy, the place in the text, and the fingerprint. */
import type { Finding } from './checks/report.ts';
import { fingerprint } from './fingerprint.ts';
import type { Policy } from './policy.ts';
import type { Source } from './source/source.ts';
import type { ValidationIssue } from './validator.ts';

/** More findings than this help nobody; the first ones stand. */
const maximumIssues = 1_000;

/** The same finding of several profiles is told once. */
export function issuesOf(findings: readonly Finding[], policy: Policy, source: Source | undefined): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  const seen = new Set<string>();
  for (const finding of findings) {
    const { rule, expression, found } = finding;
    const severity = policy.severityOf(rule, expression);
    if (severity === undefined) continue;
    const key = `${rule.id} ${expression} ${rule.text}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (issues.length >= maximumIssues) break;
    const place = source?.exactPlaceOf(finding) ?? source?.placeOf(expression);
    issues.push({
      id: rule.id,
      severity,
      code: rule.code,
      expression: expression === '' ? undefined : expression,
      line: place?.line,
      column: place?.column,
      profile: rule.profile,
      text:
        found === undefined || found === '' || !policy.showFound
          ? rule.text
          : `${rule.text} (found: ${shorten(found)})`,
      fingerprint: fingerprint(rule.id, expression, rule.profile),
    });
  }
  return issues;
}

function shorten(text: string): string {
  return text.length > 100 ? text.slice(0, 100) + '…' : text;
}
