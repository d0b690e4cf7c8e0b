import { readSeveral } from './closures.ts';
import { FhirNode, emptyCollection } from './values.ts';
import type { Item } from './values.ts';

/** What generated code calls beside the runtime: reading properties and loops, small enough to be inlined. */

type Items = readonly Item[];

/** The value of a property that should be single; of a wrong array the first item. */
export function one(value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? ((value as unknown[])[0] ?? undefined) : value;
}

/** As `one` for a primitive with its sibling. */
export function oneWithSibling(value: unknown, sibling: unknown, type: string): unknown {
  return sibling === undefined || sibling === null ? one(value) : new FhirNode(type, one(value), sibling);
}

/** The text or number behind what `oneWithSibling` would give, without making it. */
export function several(value: unknown): Items {
  if (value === undefined || value === null) return emptyCollection;
  if (!Array.isArray(value)) return [value];
  return value.includes(null) ? value.filter((item) => item !== null) : (value as Items);
}

export function anySeveral(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 && several(value).length > 0 : value !== undefined && value !== null;
}

/** A repeating primitive, which may have siblings. */
export function severalWithSiblings(object: unknown, json: string, type: string): Items {
  return readSeveral(object, json, '_' + json, type);
}

export function each(items: Items, read: (item: Item) => unknown): Items {
  const found: Item[] = [];
  for (let i = 0; i < items.length; i++) {
    const value = read(items[i]);
    if (value !== undefined) found.push(value);
  }
  return found;
}

export function flat(items: Items, read: (item: Item) => unknown): Items {
  if (items.length === 1) return read(items[0]) as Items;
  const found: Item[] = [];
  for (let i = 0; i < items.length; i++) for (const value of read(items[i]) as Items) found.push(value);
  return found;
}

export function whereTrue(items: Items, test: (item: Item, index: number) => boolean): Items {
  const found: Item[] = [];
  for (let i = 0; i < items.length; i++) if (test(items[i], i)) found.push(items[i]);
  return found;
}

export function anyTrue(items: Items, test: (item: Item, index: number) => boolean): boolean {
  for (let i = 0; i < items.length; i++) if (test(items[i], i)) return true;
  return false;
}

export function allTrue(items: Items, test: (item: Item, index: number) => boolean): boolean {
  for (let i = 0; i < items.length; i++) if (!test(items[i], i)) return false;
  return true;
}

/** The plain value of a primitive. */
export function plain(item: Item): unknown {
  return item instanceof FhirNode ? item.value : item;
}

/** Whether there is a value and it passes. */
export function present(value: unknown, test: (value: unknown) => boolean): boolean {
  return value !== undefined && test(value);
}
