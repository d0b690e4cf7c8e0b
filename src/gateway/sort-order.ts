import { searchParameter, valuesAt } from '../fhir/search-parameters.ts';
import type { SearchParameterDefinition } from '../fhir/search-parameters.ts';
import { GatewayError } from './gateway-error.ts';

/** `_sort` over several servers: the keys that each of them has sorted by, read out of the resources again. */
export interface SortKey {
  readonly definition: SearchParameterDefinition;
  readonly isDescending: boolean;
}

/**
 * @param text `_sort` as given, e.g. `-date,name`; empty for none
 * @throws {GatewayError} bad-request for a parameter whose values cannot be compared here
 */
export function parseSort(text: string, resourceType: string | undefined): readonly SortKey[] {
  if (text === '') return [];
  return text.split(',').map((part) => {
    const isDescending = part.startsWith('-');
    const name = isDescending ? part.slice(1) : part;
    const definition = searchParameter(resourceType ?? 'Resource', name);
    if (definition === undefined || definition.paths.length === 0) {
      throw new GatewayError('bad-request', {
        external: 'A parameter of _sort cannot be merged over several upstreams; sort by another, or ask one upstream.',
        reason: 'sort',
      });
    }
    return { definition, isDescending };
  });
}

type KeyValue = string | number | undefined;

/** The values that a resource sorts by, one for each key. */
export function sortValues(resource: unknown, keys: readonly SortKey[]): readonly KeyValue[] {
  return keys.map(({ definition, isDescending }) => {
    const values = definition.paths
      .flatMap((path) => valuesAt(resource, path))
      .map((value) => comparable(value, definition.type))
      .filter((value) => value !== undefined);
    // Of several values a server takes the one that comes first in its direction.
    values.sort(compareValues);
    return isDescending ? values.at(-1) : values[0];
  });
}

/** Negative where `a` comes first; a missing value comes last in either direction. */
export function compareSorted(a: readonly KeyValue[], b: readonly KeyValue[], keys: readonly SortKey[]): number {
  for (const [index, key] of keys.entries()) {
    const left = a[index];
    const right = b[index];
    if (left === right) continue;
    if (left === undefined) return 1;
    if (right === undefined) return -1;
    const order = compareValues(left, right);
    if (order !== 0) return key.isDescending ? -order : order;
  }
  return 0;
}

function compareValues(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const left = String(a);
  const right = String(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

function comparable(value: unknown, type: SearchParameterDefinition['type']): KeyValue {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const time = type === 'date' ? Date.parse(value) : Number.NaN;
    return Number.isNaN(time) ? value.toLowerCase() : time;
  }
  if (value === null || typeof value !== 'object') return undefined;
  const object = value as Readonly<Record<string, unknown>>;
  for (const member of MEMBERS) {
    const inner = object[member];
    if (Array.isArray(inner) ? inner.length > 0 : inner !== undefined) {
      return comparable(Array.isArray(inner) ? inner[0] : inner, type);
    }
  }
  return undefined;
}

/** Where a data type has what it is sorted by: HumanName, Period, CodeableConcept, Coding, Identifier, Quantity, Reference. */
const MEMBERS = ['family', 'given', 'start', 'text', 'coding', 'code', 'value', 'reference', 'end', 'display'];
