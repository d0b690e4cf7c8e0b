/** How much a finding weighs. Checks detect and name; a policy says what is looked at, which severity a finding has, and what of it may be told. */
import type { Rule } from './checks/report.ts';
import { defaultSettings } from './checks/services.ts';
import type { CheckSettings } from './checks/services.ts';
import type { IssueSeverity } from './validator.ts';

/** `ignore` drops the finding. */
export type SeverityChoice = IssueSeverity | 'ignore';

/** Changes the severity of findings, for a stated reason and until a day. */
export interface SeverityOverride {
  /** Issue id, or a prefix ending in `*`, e.g. `invariant:us-core-*`; undefined matches every id. */
  readonly issue?: string | undefined;
  /** FHIRPath of an element, indexes left out, a prefix ending in `*` or an ending after `*`; undefined matches every place. */
  readonly expression?: string | undefined;
  readonly severity: SeverityChoice;
  readonly reason: string;
  /** Last day on which it holds, `YYYY-MM-DD`; undefined holds for good. */
  readonly expires?: string | undefined;
}

export interface Policy {
  readonly name: string;
  readonly settings: CheckSettings;
  /** Whether issues may quote what was found in the instance. */
  readonly showFound: boolean;
  /** Severity of a finding; undefined when it is not reported. */
  severityOf(rule: Rule, expression: string): IssueSeverity | undefined;
}

export type PolicyName = 'hl7' | 'gateway';

export const policyNames: readonly PolicyName[] = ['hl7', 'gateway'];

export interface PolicyOptions {
  readonly settings?: Partial<CheckSettings>;
  readonly overrides?: readonly SeverityOverride[];
  readonly showFound?: boolean;
  /** What becomes of findings that only say that something could not be told offline; default: the rule's own severity, warning. */
  readonly cannotTell?: SeverityChoice;
  /** Today, `YYYY-MM-DD`, against which overrides expire. */
  readonly today?: string;
}

/**
 * What is strictness rather than truth. The oracle refuses these; the specification allows them or only recommends otherwise, so at a
 * gateway they are warnings unless its rules say more.
 */
const gatewayOverrides: readonly SeverityOverride[] = [
  {
    issue: 'profile-cannot-tell',
    severity: 'error',
    reason: 'a gateway cannot vouch for a profile that it does not have: load its package, or do not declare it',
  },
  {
    issue: 'extension-unknown',
    expression: '*.modifierExtension',
    severity: 'error',
    reason: 'R4 extensibility: what is modified by an unknown extension must not be used',
  },
  {
    issue: 'extension-unknown',
    severity: 'warning',
    reason: 'R4 extensibility: unknown extensions that do not modify are to be ignored',
  },
  {
    issue: 'display-*',
    severity: 'warning',
    reason: 'the code carries the meaning; displays vary by language and edition',
  },
  { issue: 'url-unresolved', severity: 'warning', reason: 'a canonical need not be loaded here to be right' },
  {
    issue: 'narrative-link-unresolved',
    severity: 'warning',
    reason: 'a dead link in the narrative does not change what it says',
  },
  { issue: 'best-practice:*', severity: 'information', reason: 'best practice is advice' },
  // The other way round: what the specification forbids and the oracle lets pass.
  { issue: 'slice-open-at-end', severity: 'error', reason: 'openAtEnd: what fits no slice comes last' },
  { issue: 'value-maximum-date', severity: 'error', reason: 'maxValue holds for dates as for numbers' },
  { issue: 'base64-characters', severity: 'error', reason: 'RFC 4648 has no other characters' },
  { issue: 'value-blank', severity: 'error', reason: 'white space alone is no code, date or URI' },
  { issue: 'binding-required-unit', severity: 'error', reason: 'required means required, for units too' },
  {
    issue: 'binding-required-unknown-system',
    severity: 'error',
    reason: 'a list of codes is complete, whether or not their system is loaded',
  },
  { issue: 'time-fraction', severity: 'ignore', reason: 'R4 times may have fractions of a second' },
  { issue: 'uri-oid-short', severity: 'ignore', reason: 'an OID of few arcs is an OID' },
  {
    issue: 'resource-profile-unknown',
    severity: 'warning',
    reason: 'whether a resource meets a profile that is not loaded cannot be told',
  },
];

export function isPolicyName(name: string): name is PolicyName {
  return (policyNames as readonly string[]).includes(name);
}

export function createPolicy(name: PolicyName, options: PolicyOptions = {}): Policy {
  const overrides = [...(options.overrides ?? []), ...(name === 'gateway' ? gatewayOverrides : [])].filter(
    (override) => override.expires === undefined || options.today === undefined || override.expires >= options.today,
  );
  return {
    name,
    settings: { ...defaultSettings, ...options.settings },
    showFound: options.showFound ?? name === 'hl7',
    severityOf(rule, expression) {
      const severity =
        matching(overrides, rule.id, expression)?.severity ??
        (isCannotTell(rule.id) ? options.cannotTell : undefined) ??
        rule.severity;
      return severity === 'ignore' ? undefined : severity;
    },
  };
}

export function isCannotTell(id: string): boolean {
  return id.endsWith('cannot-tell');
}

function matching(
  overrides: readonly SeverityOverride[],
  id: string,
  expression: string,
): SeverityOverride | undefined {
  if (overrides.length === 0) return undefined;
  const path = expression.replaceAll(/\[\d+\]/g, '');
  return overrides.find(
    (override) =>
      (override.issue === undefined || matchesPattern(override.issue, id)) &&
      (override.expression === undefined || matchesPattern(override.expression, path)),
  );
}

function matchesPattern(pattern: string, text: string): boolean {
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}
