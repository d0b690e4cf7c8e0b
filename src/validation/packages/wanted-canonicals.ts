/** Which canonicals a definition needs from elsewhere, for the report of what cannot be resolved. */
import type { FhirDefinition, UnresolvedCanonical } from './definitions.ts';
import { isObject } from './package-source.ts';

/** `[canonical, kind, element id]`, compact because an index holds thousands. */
export type WantedCanonical = readonly [canonical: string, kind: UnresolvedCanonical['kind'], element: string];

export function wantedCanonicals(resource: FhirDefinition): WantedCanonical[] {
  if (resource.resourceType === 'StructureDefinition') return wantedByStructure(resource);
  if (resource.resourceType === 'ValueSet') return wantedByValueSet(resource);
  return [];
}

function wantedByStructure(resource: FhirDefinition): WantedCanonical[] {
  const wanted: WantedCanonical[] = [];
  if (typeof resource.baseDefinition === 'string') wanted.push([resource.baseDefinition, 'base', '']);
  const body = isObject(resource.differential) ? resource.differential : resource.snapshot;
  for (const element of objects(isObject(body) ? body.element : undefined)) {
    const id = typeof element.id === 'string' ? element.id : typeof element.path === 'string' ? element.path : '';
    for (const type of objects(element.type)) {
      const kind = type.code === 'Extension' ? 'extension' : 'type-profile';
      for (const canonical of strings(type.profile)) wanted.push([canonical, kind, id]);
      for (const canonical of strings(type.targetProfile)) wanted.push([canonical, 'target', id]);
    }
    const valueSet = isObject(element.binding) ? element.binding.valueSet : undefined;
    if (typeof valueSet === 'string') wanted.push([valueSet, 'value-set', id]);
  }
  return wanted;
}

function wantedByValueSet(resource: FhirDefinition): WantedCanonical[] {
  const compose = isObject(resource.compose) ? resource.compose : {};
  return [...objects(compose.include), ...objects(compose.exclude)].flatMap((part) =>
    strings(part.valueSet).map((canonical): WantedCanonical => [canonical, 'value-set', 'ValueSet.compose']),
  );
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
