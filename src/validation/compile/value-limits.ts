/** maxLength, minValue and maxValue of an element definition. */
import type { Rule } from '../checks/report.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, type ElementNode, type FixedValue } from './element-tree.ts';

/** @returns the check, or undefined where the element has no maximum length; a length of 0 is none */
export function lengthCheck(node: ElementNode, profile: string): ValueCheck | undefined {
  const { maxLength } = node;
  if (maxLength === undefined || maxLength <= 0) return undefined;
  const rule: Rule = {
    id: 'string-too-long',
    severity: node.types.some((type) => type.code === 'markdown') ? 'warning' : 'error',
    code: 'too-long',
    text: `At most ${maxLength} characters are allowed`,
    profile,
  };
  return (value, c) => {
    if (typeof value === 'string' && value.length > maxLength) c.report(rule, '', String(value.length));
  };
}

/** @returns the checks of the least and greatest value that are given */
export function rangeChecks(node: ElementNode, profile: string): ValueCheck[] {
  const checks: ValueCheck[] = [];
  if (node.minValue !== undefined) checks.push(limitCheck(node.minValue, 'minimum', profile));
  if (node.maxValue !== undefined) checks.push(limitCheck(node.maxValue, 'maximum', profile));
  return checks;
}

function limitCheck(limit: FixedValue, side: 'minimum' | 'maximum', profile: string): ValueCheck {
  const rule: Rule = {
    id: `value-${side}`,
    severity: 'error',
    code: 'value',
    text: `The value is ${side === 'minimum' ? 'less than the least' : 'greater than the greatest'} allowed, ${JSON.stringify(limit.value)}`,
    profile,
  };
  // The oracle does not look at the greatest date; a policy may make it an error again.
  const isDate = limit.type === 'Date' || limit.type === 'DateTime' || limit.type === 'Instant';
  const told: Rule = isDate && side === 'maximum' ? { ...rule, id: 'value-maximum-date', severity: 'warning' } : rule;
  const unlikeRule: Rule = {
    ...rule,
    id: `value-${side}-unit`,
    text: `The value cannot be compared with the ${side} ${JSON.stringify(limit.value)}: another unit`,
  };
  return (value, c) => {
    const relative =
      isObject(limit.value) && typeof value === 'string'
        ? limitFromNow(limit.value, side, c.services.now?.() ?? Date.now())
        : undefined;
    const order = compareValues(value, relative ?? limit.value);
    if (order === undefined) {
      if (isObject(value) && typeof value['code'] === 'string') c.report(unlikeRule);
      return;
    }
    if (side === 'minimum' ? order < 0 : order > 0) c.report(told, '', isObject(value) ? undefined : String(value));
  };
}

const millisecondsPer: ReadonlyMap<unknown, number> = new Map([
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['wk', 7 * 86_400_000],
]);

/** A duration limits dates relative to the present: the minimum is that long ago, the maximum that far ahead (http://hl7.org/fhir/R4/elementdefinition.html). */
function limitFromNow(
  duration: { readonly [key: string]: unknown },
  side: 'minimum' | 'maximum',
  now: number,
): string | undefined {
  const { value, code } = duration;
  if (typeof value !== 'number') return undefined;
  const signed = side === 'minimum' ? -value : value;
  const date = new Date(now);
  const milliseconds = millisecondsPer.get(code);
  if (milliseconds !== undefined) date.setTime(now + signed * milliseconds);
  else if (code === 'mo') date.setUTCMonth(date.getUTCMonth() + signed);
  else if (code === 'a') date.setUTCFullYear(date.getUTCFullYear() + signed);
  else return undefined;
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** Negative, zero or positive; undefined where the two have no order. */
function compareValues(value: unknown, limit: unknown): number | undefined {
  if (typeof value === 'number' && typeof limit === 'number') return value - limit;
  if (typeof value === 'string' && typeof limit === 'string') return compareTexts(value, limit);
  if (isObject(value) && isObject(limit) && typeof value['value'] === 'number' && typeof limit['value'] === 'number') {
    if (value['code'] !== limit['code'] || value['system'] !== limit['system']) return undefined;
    return value['value'] - limit['value'];
  }
  return undefined;
}

/** Dates and times: by instant where both are whole, else by the shared precision. */
function compareTexts(value: string, limit: string): number {
  if (value.includes('T') && limit.includes('T') && /^\d{4}/.test(value)) {
    const left = Date.parse(value);
    const right = Date.parse(limit);
    if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  }
  const length = Math.min(value.length, limit.length);
  const left = value.slice(0, length);
  const right = limit.slice(0, length);
  return left < right ? -1 : left > right ? 1 : 0;
}
