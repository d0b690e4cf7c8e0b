import { distinctItems, equalCollections, equalItems, equivalentCollections, includesItem } from './equality.ts';
import { FhirPathError } from './fhirpath-error.ts';
import type { Session } from './session.ts';
import { systemValue } from './system-values.ts';
import { FhirNode, emptyCollection, valueOf } from './values.ts';
import type { Item } from './values.ts';

type Items = readonly Item[];
type Truth = boolean | undefined;

/** The only item of a collection. @throws {FhirPathError} evaluation, when there are several */
export function single(_session: Session, items: Item): Item {
  const list = items as Items;
  if (list.length > 1) throw new FhirPathError('evaluation', 'several items where one is allowed');
  return list[0];
}

/** The collection itself. @throws {FhirPathError} evaluation, when there are several items */
export function atMostOne(session: Session, items: Item): Items {
  single(session, items);
  return items as Items;
}

export function list(_session: Session, item: Item): Items {
  return item === undefined || item === null ? emptyCollection : [item];
}

/** What a singleton is worth where a boolean is wanted: itself, else true for being there (FHIRPath 2.0.0 section 4.5). */
export function truthOf(_session: Session, item: Item): Truth {
  if (item === undefined || item === null) return undefined;
  const value = valueOf(item);
  return typeof value === 'boolean' ? value : true;
}

export function truthOfMany(session: Session, items: Item): Truth {
  return truthOf(session, single(session, items));
}

/** What a constraint's result means: nothing fails it, one boolean is itself, anything else fulfils it. */
export function holds(session: Session, items: Item): boolean {
  const results = items as Items;
  return results.length === 1 ? truthOf(session, results[0]) === true : results.length > 1;
}

export function existsOne(_session: Session, item: Item): boolean {
  return item !== undefined && item !== null;
}

export function existsMany(_session: Session, items: Item): boolean {
  return (items as Items).length > 0;
}

export function emptyOne(_session: Session, item: Item): boolean {
  return item === undefined || item === null;
}

export function emptyMany(_session: Session, items: Item): boolean {
  return (items as Items).length === 0;
}

export function not(_session: Session, truth: Item): Truth {
  return truth === undefined ? undefined : truth !== true;
}

export function countOne(_session: Session, item: Item): number {
  return item === undefined || item === null ? 0 : 1;
}

export function countMany(_session: Session, items: Item): number {
  return (items as Items).length;
}

/** Both sides are text-like primitives or strings: equal when their texts are. */
export function equalPlain(_session: Session, left: Item, right: Item): Truth {
  const a = typeof left === 'object' ? valueOf(left) : left;
  const b = typeof right === 'object' ? valueOf(right) : right;
  if (a === undefined || b === undefined) return undefined;
  return a === b;
}

export function differentPlain(session: Session, left: Item, right: Item): Truth {
  return not(session, equalPlain(session, left, right));
}

/** As `equalPlain`, for a collection on the left and one text on the right. */
export function equalPlainMany(session: Session, left: Item, right: Item): Truth {
  const items = left as Items;
  if (items.length === 0 || right === undefined) return undefined;
  return items.length === 1 ? equalPlain(session, items[0], right) : false;
}

export function equal(_session: Session, left: Item, right: Item): Truth {
  return equalCollections(left as Items, right as Items);
}

export function different(session: Session, left: Item, right: Item): Truth {
  return not(session, equal(session, left, right));
}

export function equivalent(_session: Session, left: Item, right: Item): Truth {
  return equivalentCollections(left as Items, right as Items);
}

/** `item in collection`; empty when there is no item. */
export function memberIn(_session: Session, item: Item, items: Item): Truth {
  if (item === undefined) return undefined;
  return includesItem(items as Items, item);
}

/** As `memberIn` for texts on the left and known strings on the right. */
export function memberInPlain(_session: Session, item: Item, values: Item): Truth {
  const value = valueOf(item);
  return value === undefined ? undefined : (values as readonly unknown[]).includes(value);
}

export function distinct(_session: Session, items: Item): Items {
  return distinctItems(items as Items);
}

export function isDistinct(_session: Session, items: Item): boolean {
  return distinctItems(items as Items).length === (items as Items).length;
}

export function union(_session: Session, left: Item, right: Item): Items {
  return distinctItems([...(left as Items), ...(right as Items)]);
}

export function combine(_session: Session, left: Item, right: Item): Items {
  return [...(left as Items), ...(right as Items)];
}

export function intersect(_session: Session, left: Item, right: Item): Items {
  return distinctItems((left as Items).filter((item) => includesItem(right as Items, item)));
}

export function exclude(_session: Session, left: Item, right: Item): Items {
  return (left as Items).filter((item) => !includesItem(right as Items, item));
}

export function subsetOf(_session: Session, left: Item, right: Item): boolean {
  return (left as Items).every((item) => includesItem(right as Items, item));
}

export function first(_session: Session, items: Item): Item {
  return (items as Items)[0];
}

export function last(_session: Session, items: Item): Item {
  return (items as Items).at(-1);
}

export function tail(_session: Session, items: Item): Items {
  return (items as Items).slice(1);
}

export function skip(_session: Session, items: Item, count: Item): Items {
  const number = valueOf(count);
  return typeof number === 'number' ? (items as Items).slice(Math.max(0, number)) : (items as Items);
}

export function take(_session: Session, items: Item, count: Item): Items {
  const number = valueOf(count);
  return typeof number === 'number' && number > 0 ? (items as Items).slice(0, number) : emptyCollection;
}

export function itemAt(_session: Session, items: Item, index: Item): Item {
  const position = valueOf(index);
  return typeof position === 'number' ? (items as Items)[position] : undefined;
}

export function everyTruth(_session: Session, items: Item, wanted: Item): boolean {
  return (items as Items).every((item) => booleanOf(item) === wanted);
}

export function someTruth(_session: Session, items: Item, wanted: Item): boolean {
  return (items as Items).some((item) => booleanOf(item) === wanted);
}

function booleanOf(item: Item): boolean {
  const value = valueOf(item);
  if (typeof value !== 'boolean') throw new FhirPathError('evaluation', 'not a boolean');
  return value;
}

/** Extensions (plain JSON) with that url. */
export function withUrl(_session: Session, extensions: Item, url: Item): Items {
  return (extensions as Items).filter((extension) => (extension as { url?: unknown } | null)?.url === url);
}

export function sameItem(_session: Session, left: Item, right: Item): Truth {
  return left === undefined || right === undefined ? undefined : equalItems(left, right);
}

export function system(_session: Session, item: Item): Item {
  const value = systemValue(item);
  return value instanceof FhirNode ? undefined : value;
}
