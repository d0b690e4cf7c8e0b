/** fixed[x] and pattern[x] of an element definition (http://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.fixed_x_). */
import type { Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, type FixedValue } from './element-tree.ts';

const shownLength = 200;

/** Exactly that value, nothing missing and nothing more. */
export function fixedCheck(fixed: FixedValue, profile: string): ValueCheck {
  const wanted = fixed.value;
  const rule: Rule = {
    id: 'fixed-value',
    severity: 'error',
    code: 'value',
    text: `The value is fixed to ${shown(wanted)}`,
    profile,
  };
  return (value, c) => {
    if (value !== wanted && !equalValues(value, wanted))
      c.report(rule, '', typeof value === 'string' ? value : undefined);
  };
}

/** At least that: each property of the pattern, each item of its arrays somewhere in the value's. */
export function patternCheck(pattern: FixedValue, profile: string): ValueCheck {
  const wanted = pattern.value;
  const rule: Rule = {
    id: 'pattern-value',
    severity: 'error',
    code: 'value',
    text: `The value must contain ${shown(wanted)}`,
    profile,
  };
  return (value, c) => {
    if (value !== wanted && !matchesPattern(value, wanted))
      c.report(rule, '', typeof value === 'string' ? value : undefined);
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.length > shownLength ? text.slice(0, shownLength) + '…' : text;
}

/** Deep equality of JSON values; bounded by the depth of the definition's value. */
export function equalValues(value: unknown, wanted: unknown): boolean {
  if (value === wanted) return true;
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(value) && value.length === wanted.length && wanted.every((item, at) => equalValues(value[at], item))
    );
  }
  if (!isObject(wanted) || !isObject(value)) return false;
  const keys = Object.keys(wanted);
  // Element ids tell nothing of the value.
  const extra = Object.hasOwn(value, 'id') && !Object.hasOwn(wanted, 'id') ? 1 : 0;
  return (
    Object.keys(value).length === keys.length + extra &&
    keys.every((key) => Object.hasOwn(value, key) && equalValues(value[key], wanted[key]))
  );
}

/** Whether the pattern is contained in the value. */
export function matchesPattern(value: unknown, pattern: unknown): boolean {
  if (value === pattern) return true;
  if (Array.isArray(pattern)) {
    if (!Array.isArray(value)) return false;
    for (const wanted of pattern) if (!value.some((item) => matchesPattern(item, wanted))) return false;
    return true;
  }
  if (!isObject(pattern) || !isObject(value)) return false;
  for (const key in pattern) {
    if (!Object.hasOwn(pattern, key)) continue;
    if (!Object.hasOwn(value, key) || !matchesPattern(value[key], pattern[key])) return false;
  }
  return true;
}
