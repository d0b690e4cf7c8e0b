/** SearchParameters beyond their constraints (http://hl7.org/fhir/R4/searchparameter.html). */
import { isObject } from '../compile/element-tree.ts';
import { expressionProblem } from '../fhirpath/expression-problem.ts';
import type { CheckContext, Rule } from './report.ts';

const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'business-rule',
  text,
});

const componentsRule = rule('search-parameter-components', 'A composite parameter must define two or more components');
const derivedUnknownRule = rule(
  'search-parameter-derived-cannot-tell',
  'The parameter that this is derived from is not loaded, so they were not compared',
  'warning',
);
const derivedBaseRule = rule(
  'search-parameter-derived-base',
  'The parameter that this is derived from does not apply to this resource type',
);
const derivedTypeRule = rule(
  'search-parameter-derived-type',
  'The type must be that of the parameter that this is derived from',
);
const expressionRule = rule(
  'search-parameter-expression',
  'The expression is not FHIRPath, or names what its base does not have',
);

/** The place is at the resource. */
export function checkSearchParameter(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const { type, expression, component, derivedFrom } = value;
  const bases = strings(value['base']);
  if (type === 'composite' && (!Array.isArray(component) || component.length < 2)) c.report(componentsRule);
  if (typeof expression === 'string' && expressionProblem(expression, c.services.scope) !== undefined)
    c.report(expressionRule, '.expression');
  if (typeof derivedFrom === 'string') checkDerived(derivedFrom, bases, type, c);
}

function checkDerived(derivedFrom: string, bases: readonly string[], type: unknown, c: CheckContext): void {
  const parent = c.services.scope.resolve(derivedFrom, 'SearchParameter')?.resource;
  if (parent === undefined) {
    c.report(derivedUnknownRule, '.derivedFrom', derivedFrom);
    return;
  }
  const allowed = strings(parent['base']);
  const general = allowed.includes('Resource') || allowed.includes('DomainResource');
  for (const base of bases) if (!general && !allowed.includes(base)) c.report(derivedBaseRule, '', base);
  if (parent['type'] !== type) c.report(derivedTypeRule, '', String(type));
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
