/** Where an example can be broken: every value in it, with what the base type and the profiles say of it. */
import type { Definition, ElementDefinition, PackageScope } from '../src/validation/packages/definitions.ts';
import { snapshotOf } from '../src/validation/snapshot/snapshot.ts';

export type Json = Record<string, unknown>;
export type Path = readonly (string | number)[];

export interface Site {
  /** Keys and indexes from the root. */
  readonly path: Path;
  /** As FHIRPath with `valueQuantity` for choices, e.g. `Patient.name[0].given[1]`. */
  readonly expression: string;
  /** FHIR type of the value. */
  readonly type: string;
  /** Path of the element in the resource's own definition, e.g. `Observation.value[x]`, or undefined inside data types. */
  readonly elementPath: string | undefined;
  readonly element: ElementDefinition;
  readonly isArrayItem: boolean;
  readonly value: unknown;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every value of the resource, parents before children; what is inside contained and bundled resources is left alone. */
export function sitesOf(resource: Json, scope: PackageScope): Site[] {
  const sites: Site[] = [];
  const type = String(resource.resourceType);
  const definition = scope.resolveType(type);
  if (definition === undefined) return sites;
  walk(
    resource,
    { path: [], expression: type, elements: snapshotOf(definition), elementPath: type, isOwn: true },
    scope,
    sites,
  );
  return sites;
}

interface Place {
  readonly path: Path;
  readonly expression: string;
  readonly elements: readonly ElementDefinition[];
  readonly elementPath: string;
  /** Whether element paths are those of the resource's own definition. */
  readonly isOwn: boolean;
}

function walk(value: Json, place: Place, scope: PackageScope, sites: Site[]): void {
  for (const [key, member] of Object.entries(value)) {
    const found = childElement(key, place);
    if (found === undefined) continue;
    const items: [unknown, Path, string, boolean][] = Array.isArray(member)
      ? member.map((item: unknown, index) => [
          item,
          [...place.path, key, index],
          `${place.expression}.${key}[${index}]`,
          true,
        ])
      : [[member, [...place.path, key], `${place.expression}.${key}`, false]];
    for (const [item, path, expression, isArrayItem] of items) {
      if (item === null || item === undefined) continue;
      const { element, type } = found;
      sites.push({
        path,
        expression,
        type,
        elementPath: place.isOwn ? element.path : undefined,
        element,
        isArrayItem,
        value: item,
      });
      if (!isObject(item) || type === 'Resource') continue;
      const inner = innerPlace(element, type, place, path, expression, scope);
      if (inner !== undefined) walk(item, inner, scope, sites);
    }
  }
}

function innerPlace(
  element: ElementDefinition,
  type: string,
  place: Place,
  path: Path,
  expression: string,
  scope: PackageScope,
): Place | undefined {
  if (element.contentReference !== undefined)
    return {
      ...place,
      path,
      expression,
      elementPath: element.contentReference.slice(element.contentReference.indexOf('#') + 1),
    };
  if (type === 'BackboneElement' || type === 'Element')
    return { ...place, path, expression, elementPath: element.path };
  const definition = scope.resolveType(type);
  return definition === undefined
    ? undefined
    : { path, expression, elements: snapshotOf(definition), elementPath: type, isOwn: false };
}

function childElement(key: string, place: Place): { element: ElementDefinition; type: string } | undefined {
  for (const element of place.elements) {
    if (!element.path.startsWith(`${place.elementPath}.`)) continue;
    const tail = element.path.slice(place.elementPath.length + 1);
    if (tail === key) return { element, type: typeName(element.type?.[0]?.code) ?? 'BackboneElement' };
    if (!tail.endsWith('[x]') || tail.includes('.') || !key.startsWith(tail.slice(0, -3))) continue;
    const suffix = key.slice(tail.length - 3);
    const type = element.type?.find(
      ({ code }) => code !== undefined && code.charAt(0).toUpperCase() + code.slice(1) === suffix,
    )?.code;
    if (type !== undefined) return { element, type };
  }
  return undefined;
}

function typeName(code: string | undefined): string | undefined {
  return code?.startsWith('http://hl7.org/fhirpath/System.') === true ? 'string' : code;
}

/** A copy with the value at `path` replaced, or removed when `value` is undefined; an emptied array goes too. */
export function withValue(resource: Json, path: Path, value: unknown): Json {
  const copy = structuredClone(resource);
  let holder: unknown = copy;
  for (const step of path.slice(0, -1)) holder = (holder as Record<string | number, unknown>)[step];
  const last = path.at(-1);
  if (last === undefined) return copy;
  if (value !== undefined) (holder as Record<string | number, unknown>)[last] = value;
  else if (Array.isArray(holder) && typeof last === 'number') {
    holder.splice(last, 1);
    if (holder.length === 0) return withValue(copy, path.slice(0, -1), undefined);
  } else Reflect.deleteProperty(holder as object, last);
  return copy;
}

export function valueAt(resource: Json, path: Path): unknown {
  let value: unknown = resource;
  for (const step of path) value = (value as Record<string | number, unknown>)[step];
  return value;
}

/** Profiles that an example declares or that are asked for, as far as they are here. */
export function profilesOf(canonicals: readonly string[], scope: PackageScope): Definition[] {
  return canonicals
    .map((canonical) => scope.resolve(canonical, 'StructureDefinition'))
    .filter((found) => found !== undefined);
}
