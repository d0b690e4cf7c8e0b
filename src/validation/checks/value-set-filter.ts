import { boundedPattern } from '../fhirpath/bounded-pattern.ts';
import { FhirPathError } from '../fhirpath/fhirpath-error.ts';
import { isTemporal } from '../fhirpath/temporal.ts';
import { objects } from '../terminology/code-system.ts';
import type { CompiledCodeSystem } from '../terminology/code-system.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

/** Filters of value sets: the operator must fit the property, the value both (R4, ValueSet.compose.include.filter). */
const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'business-rule',
  text,
});

const wrongOperator = rule('value-set-filter-operator', 'The operator does not fit the property');
const wrongBoolean = rule('value-set-filter-boolean', 'The value of this filter must be true or false');
const wrongCode = rule('value-set-filter-code', 'The value of this filter must be a code of the system');
const wrongPattern = rule('value-set-filter-regex', 'The value of this filter must be a regular expression');
const wrongNumber = rule(
  'value-set-filter-number',
  'The value of this filter must be a number of the type of the property',
);
const wrongDate = rule('value-set-filter-date', 'The value of this filter must be a date or time');
const wrongForm = rule(
  'value-set-filter-coding',
  'The value of this filter must have the form system#code or system|version#code',
);
const wrongFormHint = rule(
  'value-set-filter-coding-form',
  'The value of this filter should have the form system#code, not system|code',
  'warning',
);
const wrongCoding = rule(
  'value-set-filter-coding-code',
  'The value of this filter names a code that its system does not have',
);
const wrongExpression = rule('value-set-filter-ecl', 'The value of this filter is no SNOMED CT expression constraint');

export interface FilterQuestion {
  readonly filter: JsonObject;
  readonly system: string;
  /** Where the system is loaded. */
  readonly compiled: CompiledCodeSystem | undefined;
  readonly at: string;
  readonly c: CheckContext;
}

const snomed = 'http://snomed.info/sct';
const loinc = 'http://loinc.org';
const conceptOperators: ReadonlySet<string> = new Set([
  'is-a',
  'descendent-of',
  'is-not-a',
  'in',
  'not-in',
  '=',
  'generalizes',
  'child-of',
  'descendent-leaf',
]);
const loincOperators: ReadonlySet<string> = new Set(['=', 'in', 'not-in', 'regex', 'exists']);
const codeProperties: ReadonlySet<string> = new Set(['concept', 'parent', 'child']);
const booleanProperties: ReadonlySet<string> = new Set(['inactive', 'notSelectable', 'abstract']);

export function checkValueSetFilter(question: FilterQuestion): void {
  const { filter, system, at, c } = question;
  const { property, value } = filter;
  const operator = typeof filter['op'] === 'string' ? filter['op'] : '';
  if (typeof property !== 'string' || typeof value !== 'string') return;
  if (property === 'concept' && operator !== '' && !conceptOperators.has(operator))
    c.report(wrongOperator, at, operator);
  if (system === loinc && /^[A-Z_]+$/.test(property) && !loincOperators.has(operator))
    c.report(wrongOperator, at, operator);
  if (system === snomed && property === 'constraint' && !looksLikeConstraint(value))
    c.report(wrongExpression, at, value);
  if (operator === 'exists') {
    if (value !== 'true' && value !== 'false') c.report(wrongBoolean, at, value);
  } else if (operator === 'regex') {
    if (property === 'concept') return;
    if (!isPattern(value)) c.report(wrongPattern, at, value);
  } else checkValue(question, property, operator, value);
}

function checkValue(question: FilterQuestion, property: string, operator: string, value: string): void {
  const { compiled, at, c } = question;
  const values = operator === 'in' || operator === 'not-in' ? value.split(',').map((one) => one.trim()) : [value];
  if (codeProperties.has(property)) {
    if (compiled?.content !== 'complete') return;
    if (!values.every((one) => compiled.find(one) !== undefined)) c.report(wrongCode, at, value);
    return;
  }
  const type = booleanProperties.has(property) ? 'boolean' : declaredType(question, property);
  for (const one of values) {
    const broken = type === 'Coding' ? codingProblem(one, c) : plainProblem(type, one);
    if (broken !== undefined) c.report(broken, at, one);
  }
}

function declaredType(question: FilterQuestion, property: string): string | undefined {
  const definition = question.c.services.scope.resolve(question.system, 'CodeSystem');
  if (definition === undefined) return undefined;
  const declared = objects(definition.resource['property']).find((one) => one['code'] === property);
  return typeof declared?.['type'] === 'string' ? declared['type'] : undefined;
}

function plainProblem(type: string | undefined, value: string): Rule | undefined {
  switch (type) {
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : wrongBoolean;
    case 'integer':
      // Numbers may be compared: `lt2`.
      return /^(?:[lg][te]|eq|ne)?[+-]?\d+$/.test(value) ? undefined : wrongNumber;
    case 'decimal':
      return /^(?:[lg][te]|eq|ne)?[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value) ? undefined : wrongNumber;
    case 'dateTime':
      return isTemporal(value, 'DateTime') ? undefined : wrongDate;
    default:
      return undefined;
  }
}

function codingProblem(value: string, c: CheckContext): Rule | undefined {
  const hash = value.indexOf('#');
  if (hash < 0) return /^[a-z]+:[^|]+\|[^|]+$/.test(value) ? wrongFormHint : wrongForm;
  const [system = '', version] = value.slice(0, hash).split('|', 2);
  const { terminology, scope } = c.services;
  return terminology.checkCoding({ scope, system, code: value.slice(hash + 1), version }).code === 'no'
    ? wrongCoding
    : undefined;
}

function isPattern(value: string): boolean {
  try {
    boundedPattern(value);
    return true;
  } catch (error) {
    if (error instanceof FhirPathError) return false;
    throw error;
  }
}

/**
 * Whether a text can be an expression constraint (SNOMED CT ECL 2): balanced brackets, and no two operands side by side without
 * a conjunction. It is no parser: what it lets through may still be wrong.
 */
function looksLikeConstraint(text: string): boolean {
  const plain = text
    .replace(/\|[^|]*\|/g, ' ')
    .replace(/"[^"]*"/g, '""')
    .replace(/\/\*[\s\S]*?\*\//g, ' ');
  if (plain.includes('|')) return false;
  let depth = 0;
  for (const unit of plain) {
    if ('([{'.includes(unit)) depth++;
    if (')]}'.includes(unit) && --depth < 0) return false;
  }
  return depth === 0 && !/\d{6,18}\s+(?:[<>^!*(]|\d)/.test(plain) && plain.trim() !== '';
}
