import { compareQuantities, convertedTo } from './quantities.ts';
import { compareTemporal } from './temporal.ts';
import { systemValue } from './system-values.ts';
import { DecimalValue, FhirNode, QuantityValue, TemporalValue } from './values.ts';
import type { Item } from './values.ts';

type Truth = boolean | undefined;

/** `=` on two items (FHIRPath 2.0.0 section 6.1.1); undefined where precisions leave it open. */
export function equalItems(left: Item, right: Item): Truth {
  const a = systemValue(left);
  const b = systemValue(right);
  if (a === b) return true;
  if (a instanceof FhirNode || b instanceof FhirNode) {
    return a instanceof FhirNode && b instanceof FhirNode
      ? equalJson(a.value, b.value) && equalJson(a.sibling, b.sibling)
      : false;
  }
  if (a instanceof QuantityValue || b instanceof QuantityValue) return compareAs(a, b, (order) => order === 0);
  if (a instanceof TemporalValue || b instanceof TemporalValue) return equalTemporal(a, b);
  if (a instanceof DecimalValue || b instanceof DecimalValue)
    return numeric(a) !== undefined && numeric(a) === numeric(b);
  return false;
}

function compareAs(a: Item, b: Item, test: (order: number) => boolean): Truth {
  const left = toQuantity(a);
  const right = toQuantity(b);
  if (left === undefined || right === undefined) return false;
  const order = compareQuantities(left, right);
  return order === undefined ? undefined : test(order);
}

function toQuantity(item: Item): QuantityValue | undefined {
  if (item instanceof QuantityValue) return item;
  const number = numeric(item);
  return number === undefined ? undefined : new QuantityValue(number, '1');
}

function equalTemporal(a: Item, b: Item): Truth {
  if (typeof a === 'string' || typeof b === 'string') return textOfTemporal(a) === textOfTemporal(b);
  if (!(a instanceof TemporalValue) || !(b instanceof TemporalValue)) return false;
  if ((a.kind === 'Time') !== (b.kind === 'Time')) return false;
  const order = compareTemporal(
    a.text,
    b.text,
    a.kind === 'Date' && b.kind === 'Date' ? 'Date' : a.kind === 'Time' ? 'Time' : 'DateTime',
  );
  return order === undefined ? undefined : order === 0;
}

function textOfTemporal(item: Item): unknown {
  return item instanceof TemporalValue ? item.text : item;
}

function numeric(item: Item): number | undefined {
  if (typeof item === 'number') return item;
  return item instanceof DecimalValue ? item.number : undefined;
}

/** Deep equality of plain JSON; order of properties is free, order in arrays counts. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
    return left.every((item, i) => equalJson(item, right[i]));
  }
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(right, key) &&
      equalJson((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  );
}

/** `=` on collections: empty with anything is undefined; else the same items in the same order. */
export function equalCollections(left: readonly Item[], right: readonly Item[]): Truth {
  if (left.length === 0 || right.length === 0) return undefined;
  if (left.length !== right.length) return false;
  let result: Truth = true;
  for (let i = 0; i < left.length; i++) {
    const one = equalItems(left[i], right[i]);
    if (one === false) return false;
    if (one === undefined) result = undefined;
  }
  return result;
}

/** `~` on two items (section 6.1.2): strings without case and extra space, decimals at the lesser precision, never open. */
export function equivalentItems(left: Item, right: Item): boolean {
  const a = systemValue(left);
  const b = systemValue(right);
  if (typeof a === 'string' && typeof b === 'string') return normal(a) === normal(b);
  if (a instanceof FhirNode && b instanceof FhirNode) return equivalentJson(a.value, b.value);
  const x = numeric(a);
  const y = numeric(b);
  if (x !== undefined && y !== undefined) {
    const digits = Math.min(digitsOf(a), digitsOf(b));
    return Number(x.toFixed(digits)) === Number(y.toFixed(digits));
  }
  if (a instanceof QuantityValue && b instanceof QuantityValue) return equivalentQuantities(a, b);
  if (
    a instanceof TemporalValue &&
    b instanceof TemporalValue &&
    a.kind !== b.kind &&
    (a.kind === 'Time' || b.kind === 'Time')
  )
    return false;
  return equalItems(a, b) === true;
}

/** Equal when rounded to the digits of the less precise one, in its unit. */
function equivalentQuantities(left: QuantityValue, right: QuantityValue): boolean {
  const [coarse, fine] = digitsOf(left) <= digitsOf(right) ? [left, right] : [right, left];
  const converted = convertedTo(fine, coarse.unit);
  const digits = digitsOf(coarse);
  return converted !== undefined && Number(converted.toFixed(digits)) === Number(coarse.number.toFixed(digits));
}

function digitsOf(item: Item): number {
  const text = item instanceof DecimalValue || item instanceof QuantityValue ? item.text : String(item);
  const point = text.indexOf('.');
  return point < 0 ? 0 : Math.min(20, text.length - point - 1);
}

function normal(text: string): string {
  return text.toLowerCase().replace(/\s+/g, ' ').trim();
}

function equivalentJson(left: unknown, right: unknown): boolean {
  if (typeof left === 'string' && typeof right === 'string') return normal(left) === normal(right);
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((one) => right.some((other) => equivalentJson(one, other)));
  }
  // Ids of elements are not part of what they mean.
  const keys = (value: object): string[] => Object.keys(value).filter((key) => key !== 'id');
  const names = keys(left);
  if (names.length !== keys(right).length) return false;
  return names.every((key) =>
    equivalentJson((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  );
}

/** `~` on collections: the same items in any order; two empty ones are equivalent. */
export function equivalentCollections(left: readonly Item[], right: readonly Item[]): boolean {
  if (left.length !== right.length) return false;
  const rest = [...right];
  for (const item of left) {
    const at = rest.findIndex((other) => equivalentItems(item, other));
    if (at < 0) return false;
    rest.splice(at, 1);
  }
  return true;
}

/** The key under which plain items are the same, for sets; undefined for those that must be compared one by one. */
export function plainKey(item: Item): string | number | boolean | undefined {
  const value = systemValue(item);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}

/** Whether an equal item is in the collection. */
export function includesItem(items: readonly Item[], item: Item): boolean {
  for (const other of items) if (equalItems(other, item) === true) return true;
  return false;
}

/** Distinct items, the first of equal ones kept. Linear for plain values. */
export function distinctItems(items: readonly Item[]): readonly Item[] {
  if (items.length < 2) return items;
  const keys = new Set<string | number | boolean>();
  const kept: Item[] = [];
  const others: Item[] = [];
  for (const item of items) {
    const key = plainKey(item);
    if (key === undefined) {
      if (includesItem(others, item)) continue;
      others.push(item);
    } else {
      if (keys.has(key)) continue;
      keys.add(key);
      // A decimal and an integer can be equal, so numbers are also looked up among the others.
      if (typeof key === 'number' && includesItem(others, item)) continue;
    }
    kept.push(item);
  }
  return kept;
}
