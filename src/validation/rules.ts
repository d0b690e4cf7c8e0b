/** The rule set in force: which profiles hold for a resource in an exchange, and what happens when they do not. */
import { sha256 } from '../hash.ts';
import { fingerprint } from './fingerprint.ts';
import { splitCanonical } from './packages/package-set.ts';
import type { SeverityOverride } from './policy.ts';
import type { ProfileRule, RuleSetModel } from './rules-parse.ts';
import type { RuleDecision, RuleMode, RuleSet, ValidationIssue } from './validator.ts';

export type RuleQuery = Parameters<RuleSet['decide']>[0];

/** How strict a mode is: a local rule set may raise it, never lower it. */
const strictness: Readonly<Record<RuleMode, number>> = { off: 0, observe: 1, annotate: 2, reject: 3 };

/**
 * @param shared what the consortium agreed on; its digest names the rule set
 * @param local  a member's own additions, which only tighten: the stricter mode wins, and profiles of both must hold
 */
export function createRuleSet(shared: RuleSetModel, local?: RuleSetModel): RuleSet {
  const digest = ruleSetDigest(shared);
  return {
    digest,
    decide(query) {
      const agreed = decideBy(shared, query);
      return local === undefined ? agreed : tighten(agreed, decideBy(local, query));
    },
  };
}

/** Lowercase hex SHA-256 of the model as JSON with sorted keys: comments, order of keys and layout of the file do not matter. */
export function ruleSetDigest(model: RuleSetModel): string {
  return Buffer.from(sha256(new TextEncoder().encode(JSON.stringify(sortKeys(model))))).toString('hex');
}

/** Profiles that a rule set names as required, each once: they must be usable before the first message. */
export function requiredProfiles(...models: readonly (RuleSetModel | undefined)[]): string[] {
  return [...new Set(models.flatMap((model) => model?.rules.flatMap((rule) => rule.required) ?? []))];
}

/** Severities of both rule sets; a local one may only raise what is agreed. */
export function severityOverrides(shared: RuleSetModel, local?: RuleSetModel): SeverityOverride[] {
  return [...(local?.severities.filter((override) => override.severity === 'error') ?? []), ...shared.severities];
}

function decideBy(model: RuleSetModel, query: RuleQuery): RuleDecision {
  const rule = model.rules.find((candidate) => matches(candidate, query));
  if (rule === undefined)
    return { mode: model.defaults[query.direction], required: [], rule: `default of ${model.name}` };
  const issues = declaredIssues(rule, query.resourceType, query.profiles);
  return { mode: rule.mode, required: rule.required, rule: rule.name, ...(issues.length > 0 && { issues }) };
}

function tighten(agreed: RuleDecision, local: RuleDecision): RuleDecision {
  const stricter = strictness[local.mode] > strictness[agreed.mode] ? local : agreed;
  const issues = [...(agreed.issues ?? []), ...(local.issues ?? [])];
  return {
    mode: stricter.mode,
    required: [...new Set([...agreed.required, ...local.required])],
    rule: stricter.rule,
    ...(issues.length > 0 && { issues }),
  };
}

function matches(rule: ProfileRule, query: RuleQuery): boolean {
  return (
    (rule.direction === undefined || rule.direction === query.direction) &&
    (rule.types === undefined || rule.types.includes(query.resourceType)) &&
    (rule.upstreams === undefined || rule.upstreams.includes(query.upstream)) &&
    (rule.clients === undefined || (query.client !== undefined && rule.clients.includes(query.client))) &&
    (rule.declares === undefined || query.profiles.some((profile) => isIn(profile, rule.declares ?? [])))
  );
}

/** What is wrong with the profiles that a resource declares, whatever its content. */
function declaredIssues(rule: ProfileRule, resourceType: string, declared: readonly string[]): ValidationIssue[] {
  const issues: ValidationIssue[] = [];
  const add = (id: string, text: string): void => {
    const expression = `${resourceType}.meta.profile`;
    const place = { expression, line: undefined, column: undefined, profile: undefined };
    issues.push({
      id,
      severity: 'error',
      code: 'business-rule',
      ...place,
      text,
      fingerprint: fingerprint(id, expression, rule.name),
    });
  };
  if (rule.requireDeclared)
    for (const required of rule.required)
      if (!declared.some((profile) => isIn(profile, [splitCanonical(required).url])))
        add('profile-not-declared', `rule ${rule.name} wants the profile ${required} to be declared`);
  const { allowed } = rule;
  if (allowed !== undefined && declared.some((profile) => !isIn(profile, allowed)))
    add('profile-not-allowed', `rule ${rule.name} allows only these profiles to be declared: ${allowed.join(', ')}`);
  for (const forbidden of rule.forbidden)
    if (declared.some((profile) => isIn(profile, [forbidden])))
      add('profile-forbidden', `rule ${rule.name} forbids the profile ${forbidden}`);
  return issues;
}

/** A version in a pattern must be the declared one; without it any version fits. */
function isIn(canonical: string, patterns: readonly string[]): boolean {
  const { url } = splitCanonical(canonical);
  return patterns.some((pattern) => {
    if (pattern.endsWith('*')) return canonical.startsWith(pattern.slice(0, -1));
    return pattern === canonical || pattern === url;
  });
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  );
}
