/** Findings as issues: severity by the policy, the place in the text, and the fingerprint. */
import type { Finding, Rule } from './checks/report.ts';
import { fingerprint } from './fingerprint.ts';
import type { Policy } from './policy.ts';
import type { Source } from './source/source.ts';
import type { IssueSeverity, ValidationIssue } from './validator.ts';

/** More findings than this help nobody; the first ones stand. */
const maximumIssues = 1_000;
const maximumRemembered = 20_000;

/** Makes issues under one policy; remembers fingerprints, because the same few findings come again and again. */
export class IssueMaker {
  private readonly policy: Policy;
  private readonly fingerprints = new Map<string, string>();

  constructor(policy: Policy) {
    this.policy = policy;
  }

  /** The same finding of several profiles is told once. Past the limit only a first error is added, so that the verdict stands. */
  issues(findings: readonly Finding[], source: Source | undefined): ValidationIssue[] {
    const issues: ValidationIssue[] = [];
    const seen = new Set<string>();
    let serious = false;
    for (const finding of findings) {
      const { rule, expression } = finding;
      const severity = this.policy.severityOf(rule, expression);
      if (severity === undefined) continue;
      const isError = severity === 'error' || severity === 'fatal';
      if (issues.length >= maximumIssues && (serious || !isError)) continue;
      const key = `${rule.id} ${expression} ${rule.text}`;
      if (seen.has(key)) continue;
      seen.add(key);
      serious ||= isError;
      issues.push(this.issue(finding, severity, source));
    }
    return issues;
  }

  private issue(finding: Finding, severity: IssueSeverity, source: Source | undefined): ValidationIssue {
    const { rule, expression, found } = finding;
    const place = source?.exactPlaceOf(finding) ?? source?.placeOf(expression);
    const shown = found === undefined || found === '' || !this.policy.showFound ? '' : ` (found: ${shorten(found)})`;
    return {
      id: rule.id,
      severity,
      code: rule.code,
      expression: expression === '' ? undefined : expression,
      line: place?.line,
      column: place?.column,
      profile: rule.profile,
      text: rule.text + shown,
      fingerprint: this.fingerprintOf(rule, expression),
    };
  }

  private fingerprintOf(rule: Rule, expression: string): string {
    const key = `${rule.id}\n${expression}\n${rule.profile ?? ''}`;
    const known = this.fingerprints.get(key);
    if (known !== undefined) return known;
    const made = fingerprint(rule.id, expression, rule.profile);
    if (this.fingerprints.size < maximumRemembered) this.fingerprints.set(key, made);
    return made;
  }
}

function shorten(text: string): string {
  return text.length > 100 ? text.slice(0, 100) + '…' : text;
}
