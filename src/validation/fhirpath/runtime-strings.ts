import { breaksHtmlRules, scanXhtml } from '../checks/xhtml.ts';
import { FhirPathError } from './fhirpath-error.ts';
import { boundedPattern } from './bounded-pattern.ts';
import type { BoundedPattern } from './bounded-pattern.ts';
import { parseQuantity, quantityText } from './quantities.ts';
import type { Session } from './session.ts';
import { systemValue } from './system-values.ts';
import { isTemporal, numberOf } from './temporal.ts';
import { DecimalValue, FhirNode, QuantityValue, TemporalValue, emptyCollection, valueOf } from './values.ts';
import type { Item, TemporalKind } from './values.ts';

/** The text of a string-like item; dates count as texts, as FHIR's primitives are texts in JSON. */
function text(item: Item): string | undefined {
  const value = systemValue(item);
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value;
  if (value instanceof TemporalValue) return value.text;
  if (typeof value === 'number') return String(value);
  if (value instanceof DecimalValue) return value.text;
  throw new FhirPathError('evaluation', 'not a string');
}

function onText<T>(item: Item, other: Item, apply: (value: string, other: string) => T): T | undefined {
  const value = text(item);
  const parameter = text(other);
  return value === undefined || parameter === undefined ? undefined : apply(value, parameter);
}

export function contains(_session: Session, item: Item, part: Item): Item {
  return onText(item, part, (value, other) => value.includes(other));
}
export function startsWith(_session: Session, item: Item, part: Item): Item {
  return onText(item, part, (value, other) => value.startsWith(other));
}
export function endsWith(_session: Session, item: Item, part: Item): Item {
  return onText(item, part, (value, other) => value.endsWith(other));
}
export function indexOf(_session: Session, item: Item, part: Item): Item {
  return onText(item, part, (value, other) => value.indexOf(other));
}
export function lastIndexOf(_session: Session, item: Item, part: Item): Item {
  return onText(item, part, (value, other) => value.lastIndexOf(other));
}

export function substring(_session: Session, item: Item, start: Item, length: Item): Item {
  const value = text(item);
  const from = numberOf(systemValue(start));
  if (value === undefined || from === undefined || from < 0 || from >= value.length) return undefined;
  const count = numberOf(systemValue(length));
  return count === undefined ? value.slice(from) : value.slice(from, from + Math.max(0, count));
}

export function upper(_session: Session, item: Item): Item {
  return text(item)?.toUpperCase();
}
export function lower(_session: Session, item: Item): Item {
  return text(item)?.toLowerCase();
}
export function trim(_session: Session, item: Item): Item {
  return text(item)?.trim();
}
export function length(_session: Session, item: Item): Item {
  return text(item)?.length;
}
export function toChars(_session: Session, item: Item): readonly Item[] {
  const value = text(item);
  return value === undefined ? emptyCollection : [...value];
}
export function split(_session: Session, item: Item, separator: Item): readonly Item[] {
  return onText(item, separator, (value, by) => value.split(by)) ?? emptyCollection;
}
export function join(_session: Session, items: Item, separator: Item): Item {
  const texts = (items as readonly Item[]).map((item) => text(item));
  return texts.length === 0 ? undefined : texts.filter((one) => one !== undefined).join(text(separator) ?? '');
}

export function replace(_session: Session, item: Item, pattern: Item, substitution: Item): Item {
  const by = text(substitution);
  return by === undefined
    ? undefined
    : onText(item, pattern, (value, what) =>
        what === '' ? by + [...value].map((unit) => unit + by).join('') : value.split(what).join(by),
      );
}

/** Part of the text is enough for `matches` (FHIRPath 2.0.0 section 5.6.9). The pattern is a text or, where it was written out, compiled already. */
export function matches(_session: Session, item: Item, pattern: Item): Item {
  const value = text(item);
  const compiled = patternOf(pattern);
  return value === undefined || compiled === undefined ? undefined : compiled.test(value);
}
export function matchesFull(session: Session, item: Item, pattern: Item): Item {
  const whole = typeof valueOf(pattern) === 'string' ? `^(?:${String(valueOf(pattern))})$` : pattern;
  return matches(session, item, whole);
}
export function replaceMatches(_session: Session, item: Item, pattern: Item, substitution: Item): Item {
  const value = text(item);
  const by = text(substitution);
  const compiled = patternOf(pattern);
  return value === undefined || by === undefined || compiled === undefined ? undefined : compiled.replace(value, by);
}

function patternOf(item: Item): BoundedPattern | undefined {
  const value = valueOf(item);
  if (typeof value === 'string') return boundedPattern(value);
  return value === undefined ? undefined : (value as BoundedPattern);
}

export function concatenate(_session: Session, left: Item, right: Item): Item {
  return (text(left) ?? '') + (text(right) ?? '');
}

export function toText(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (value === undefined || value instanceof FhirNode) return undefined;
  return value instanceof QuantityValue
    ? quantityText(value)
    : String(typeof value === 'boolean' ? value : text(value));
}

export function toInteger(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string' || !/^[+-]?\d{1,10}$/.test(value)) return undefined;
  const number = Number(value);
  return Math.abs(number) > 2_147_483_647 ? undefined : number;
}

export function toDecimal(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (value instanceof DecimalValue) return value;
  if (typeof value === 'number') return new DecimalValue(value, String(value));
  if (typeof value === 'boolean') return new DecimalValue(value ? 1 : 0, value ? '1.0' : '0.0');
  return typeof value === 'string' && /^[+-]?\d{1,40}(?:\.\d{1,40})?$/.test(value)
    ? new DecimalValue(Number(value), value)
    : undefined;
}

const truths: ReadonlySet<string> = new Set(['true', 't', 'yes', 'y', '1', '1.0']);
const falsehoods: ReadonlySet<string> = new Set(['false', 'f', 'no', 'n', '0', '0.0']);

export function toBoolean(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (typeof value === 'boolean') return value;
  const number = numberOf(value);
  if (number !== undefined) return number === 1 ? true : number === 0 ? false : undefined;
  if (typeof value !== 'string') return undefined;
  const lowered = value.toLowerCase();
  return truths.has(lowered) ? true : falsehoods.has(lowered) ? false : undefined;
}

export function toQuantity(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (value instanceof QuantityValue) return value;
  if (typeof value === 'string') return parseQuantity(value);
  if (typeof value === 'boolean') return new QuantityValue(value ? 1 : 0, '1', value ? '1.0' : '0.0');
  const number = numberOf(value);
  return number === undefined ? undefined : new QuantityValue(number, '1', text(value));
}

/** `toDate()`, `toDateTime()` and `toTime()`, by the kind wanted. */
export function toTemporal(_session: Session, item: Item, wanted: Item): Item {
  const value = systemValue(item);
  const kind = wanted as TemporalKind;
  if (value instanceof TemporalValue) {
    if (value.kind === kind) return value;
    if (kind === 'Date' && value.kind === 'DateTime') return new TemporalValue('Date', value.text.slice(0, 10));
    return kind === 'DateTime' && value.kind === 'Date' ? new TemporalValue('DateTime', value.text) : undefined;
  }
  if (typeof value !== 'string') return undefined;
  const written = kind === 'Date' && isTemporal(value, 'DateTime') ? value.slice(0, 10) : value;
  return isTemporal(written, kind) ? new TemporalValue(kind, written) : undefined;
}

/** FHIR's own function: whether a narrative has only the XHTML that txt-1 allows. */
export function htmlChecks(_session: Session, item: Item): Item {
  const value = text(item);
  return value === undefined ? undefined : !scanXhtml(value).problems.some(breaksHtmlRules);
}
