import { equalItems } from './equality.ts';
import { FhirPathError } from './fhirpath-error.ts';
import { compareQuantities } from './quantities.ts';
import type { Session } from './session.ts';
import { scaleOf, systemValue } from './system-values.ts';
import { addToTemporal, compareTemporal, numberOf } from './temporal.ts';
import { DecimalValue, FhirNode, QuantityValue, TemporalValue, valueOf } from './values.ts';
import type { Item, TemporalKind } from './values.ts';

type Truth = boolean | undefined;

/** Negative, 0, positive; undefined where it is open. @throws {FhirPathError} evaluation, for types that have no order between them */
export function order(left: Item, right: Item): number | undefined {
  const a = systemValue(left);
  const b = systemValue(right);
  if (a === undefined || b === undefined) return undefined;
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : a < b ? -1 : 1;
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x - y;
  if (a instanceof QuantityValue || b instanceof QuantityValue) {
    const p = a instanceof QuantityValue ? a : x === undefined ? undefined : new QuantityValue(x, '1');
    const q = b instanceof QuantityValue ? b : y === undefined ? undefined : new QuantityValue(y, '1');
    if (p !== undefined && q !== undefined) return compareQuantities(p, q);
  }
  const moment = temporalPair(a, b);
  if (moment !== undefined) return compareTemporal(moment.left, moment.right, moment.kind);
  // A Quantity element that has no number or no unit that could be compared leaves it open.
  if (isQuantityElement(a) && isQuantityElement(b)) return orderOfElements(a, b);
  if (isQuantityElement(a) || isQuantityElement(b)) return undefined;
  throw new FhirPathError('evaluation', 'no order between these types');
}

function isQuantityElement(item: Item): item is FhirNode {
  return item instanceof FhirNode && typeof item.value === 'object' && item.value !== null;
}

/** Quantities of no UCUM unit: compared when code, system and unit say the same. */
function orderOfElements(left: FhirNode, right: FhirNode): number | undefined {
  const a = left.value as { value?: unknown; code?: unknown; system?: unknown; unit?: unknown };
  const b = right.value as { value?: unknown; code?: unknown; system?: unknown; unit?: unknown };
  const alike = a.system === b.system && (a.code === undefined ? a.unit === b.unit : a.code === b.code);
  return alike && typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value : undefined;
}

function temporalPair(a: Item, b: Item): { left: string; right: string; kind: TemporalKind } | undefined {
  const left = a instanceof TemporalValue ? a : undefined;
  const right = b instanceof TemporalValue ? b : undefined;
  const kindOf = left?.kind ?? right?.kind;
  if (kindOf === undefined) return undefined;
  const x = left?.text ?? (typeof a === 'string' ? a : undefined);
  const y = right?.text ?? (typeof b === 'string' ? b : undefined);
  if (x === undefined || y === undefined) return undefined;
  const time = [left?.kind, right?.kind].includes('Time');
  if (time && left !== undefined && right !== undefined && left.kind !== right.kind) return undefined;
  return { left: x, right: y, kind: time ? 'Time' : 'DateTime' };
}

function ordered(left: Item, right: Item, test: (value: number) => boolean): Truth {
  if (left === undefined || right === undefined) return undefined;
  const value = order(left, right);
  return value === undefined ? undefined : test(value);
}

export function less(_session: Session, left: Item, right: Item): Truth {
  return ordered(left, right, (value) => value < 0);
}
export function lessOrEqual(_session: Session, left: Item, right: Item): Truth {
  return ordered(left, right, (value) => value <= 0);
}
export function greater(_session: Session, left: Item, right: Item): Truth {
  return ordered(left, right, (value) => value > 0);
}
export function greaterOrEqual(_session: Session, left: Item, right: Item): Truth {
  return ordered(left, right, (value) => value >= 0);
}

/** `start <= end` of plain FHIR dates and times. */
export function notAfter(_session: Session, left: Item, right: Item): Truth {
  const a = valueOf(left);
  const b = valueOf(right);
  if (typeof a !== 'string' || typeof b !== 'string') return undefined;
  const value = compareTemporal(a, b, 'DateTime');
  return value === undefined ? undefined : value <= 0;
}

function decimal(number: number, digits?: number): DecimalValue {
  const rounded = Number.isFinite(number) ? Math.round(number * 1e8) / 1e8 : number;
  const exact = Math.abs(rounded) < 1e13 ? rounded : number;
  return new DecimalValue(exact, digits === undefined ? String(exact) : exact.toFixed(Math.min(20, digits)));
}

function arithmetic(
  left: Item,
  right: Item,
  apply: (x: number, y: number) => number,
  digits: (a: number, b: number) => number,
): Item {
  const a = systemValue(left);
  const b = systemValue(right);
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === undefined || y === undefined) throw new FhirPathError('evaluation', 'not numbers');
  const result = apply(x, y);
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(result) > 2_147_483_647 ? undefined : result;
  return decimal(result, digits(textScale(a), textScale(b)));
}

function textScale(item: Item): number {
  return item instanceof DecimalValue ? scaleOf(item.text) : 0;
}

export function add(_session: Session, left: Item, right: Item): Item {
  if (left === undefined || right === undefined) return undefined;
  const a = systemValue(left);
  const b = systemValue(right);
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  if (a instanceof TemporalValue && b instanceof QuantityValue) return moved(a, b, 1);
  if (a instanceof QuantityValue && b instanceof QuantityValue) return joined(a, b, 1);
  return arithmetic(a, b, (x, y) => x + y, Math.max);
}

export function subtract(_session: Session, left: Item, right: Item): Item {
  if (left === undefined || right === undefined) return undefined;
  const a = systemValue(left);
  const b = systemValue(right);
  if (a instanceof TemporalValue && b instanceof QuantityValue) return moved(a, b, -1);
  if (a instanceof QuantityValue && b instanceof QuantityValue) return joined(a, b, -1);
  return arithmetic(a, b, (x, y) => x - y, Math.max);
}

function moved(moment: TemporalValue, by: QuantityValue, sign: number): Item {
  const result = addToTemporal(moment, sign * by.number, by.unit);
  if (result === undefined) throw new FhirPathError('evaluation', 'not a unit of time');
  return result;
}

function joined(a: QuantityValue, b: QuantityValue, sign: number): Item {
  return a.unit === b.unit ? new QuantityValue(a.number + sign * b.number, a.unit) : undefined;
}

export function multiply(_session: Session, left: Item, right: Item): Item {
  if (left === undefined || right === undefined) return undefined;
  const a = systemValue(left);
  const b = systemValue(right);
  if (a instanceof QuantityValue || b instanceof QuantityValue)
    throw new FhirPathError('declined', 'products of quantities');
  return arithmetic(
    a,
    b,
    (x, y) => x * y,
    (p, q) => p + q,
  );
}

export function divide(_session: Session, left: Item, right: Item): Item {
  if (left === undefined || right === undefined) return undefined;
  const a = systemValue(left);
  const b = systemValue(right);
  if (a instanceof QuantityValue || b instanceof QuantityValue)
    throw new FhirPathError('declined', 'quotients of quantities');
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === undefined || y === undefined) throw new FhirPathError('evaluation', 'not numbers');
  return y === 0 ? undefined : decimal(x / y);
}

export function wholeDivide(_session: Session, left: Item, right: Item): Item {
  return whole(left, right, (x, y) => Math.trunc(x / y));
}

export function modulo(_session: Session, left: Item, right: Item): Item {
  if (left === undefined || right === undefined) return undefined;
  if (numberOf(systemValue(right)) === 0) return undefined;
  return arithmetic(left, right, (x, y) => x % y, Math.max);
}

function whole(left: Item, right: Item, apply: (x: number, y: number) => number): Item {
  if (left === undefined || right === undefined) return undefined;
  const x = numberOf(systemValue(left));
  const y = numberOf(systemValue(right));
  if (x === undefined || y === undefined) throw new FhirPathError('evaluation', 'not numbers');
  return y === 0 ? undefined : apply(x, y);
}

export function negate(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (value === undefined) return undefined;
  if (value instanceof QuantityValue) return new QuantityValue(-value.number, value.unit);
  if (typeof value === 'number') return -value;
  if (value instanceof DecimalValue)
    return new DecimalValue(-value.number, value.text.startsWith('-') ? value.text.slice(1) : '-' + value.text);
  throw new FhirPathError('evaluation', 'not a number');
}

export function abs(session: Session, item: Item): Item {
  const value = systemValue(item);
  const number = value instanceof QuantityValue ? value.number : numberOf(value);
  return number !== undefined && number < 0 ? negate(session, value) : value;
}

function rounding(item: Item, apply: (x: number) => number): Item {
  const value = systemValue(item);
  if (value === undefined) return undefined;
  const number = numberOf(value);
  if (number === undefined) throw new FhirPathError('evaluation', 'not a number');
  return apply(number);
}

export function ceiling(_session: Session, item: Item): Item {
  return rounding(item, Math.ceil);
}
export function floor(_session: Session, item: Item): Item {
  return rounding(item, Math.floor);
}
export function truncate(_session: Session, item: Item): Item {
  return rounding(item, Math.trunc);
}

export function round(_session: Session, item: Item, precision: Item): Item {
  const digits = numberOf(systemValue(precision)) ?? 0;
  if (digits < 0 || digits > 20) throw new FhirPathError('evaluation', 'precision out of range');
  const scaled = rounding(
    item,
    (x) => Number((Math.sign(x) * Math.round(Math.abs(x) * 10 ** digits)).toFixed(0)) / 10 ** digits,
  );
  return scaled === undefined ? undefined : new DecimalValue(scaled as number, (scaled as number).toFixed(digits));
}

function real(item: Item, apply: (x: number) => number): Item {
  const result = rounding(item, apply);
  return typeof result === 'number' && Number.isFinite(result) ? new DecimalValue(result) : undefined;
}

export function squareRoot(_session: Session, item: Item): Item {
  return real(item, Math.sqrt);
}
export function exponential(_session: Session, item: Item): Item {
  return real(item, Math.exp);
}
export function naturalLogarithm(_session: Session, item: Item): Item {
  return real(item, Math.log);
}
export function logarithm(_session: Session, item: Item, base: Item): Item {
  const radix = numberOf(systemValue(base));
  return radix === undefined ? undefined : real(item, (x) => Math.round((Math.log(x) / Math.log(radix)) * 1e12) / 1e12);
}
export function power(_session: Session, item: Item, exponent: Item): Item {
  const by = systemValue(exponent);
  const number = numberOf(by);
  const base = systemValue(item);
  if (number === undefined || base === undefined) return undefined;
  const result = rounding(base, (x) => x ** number);
  if (typeof result !== 'number' || !Number.isFinite(result)) return undefined;
  return typeof base === 'number' && typeof by === 'number' && number >= 0 ? result : new DecimalValue(result);
}

/** `=` on two numbers or items that are single already. */
export function equalSingle(_session: Session, left: Item, right: Item): Truth {
  return left === undefined || right === undefined ? undefined : equalItems(left, right);
}

/** Digits that were written: of a number after the point, of a date or time all but the punctuation. */
export function precision(_session: Session, item: Item): Item {
  const value = systemValue(item);
  if (value instanceof DecimalValue) return scaleOf(value.text);
  if (typeof value === 'number') return 0;
  return value instanceof TemporalValue
    ? value.text.replace(/(?:Z|[+-]\d\d:\d\d)$/, '').replace(/\D/g, '').length
    : undefined;
}

/** Number on both sides, plain. */
export function equalNumbers(_session: Session, left: Item, right: Item): Truth {
  const a = valueOf(left);
  const b = valueOf(right);
  return a === undefined || b === undefined ? undefined : (numberOf(a) ?? a) === (numberOf(b) ?? b);
}
