/** Constraints of loaded packages and typed walks through published examples. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { FhirPathEnvironment } from '../../src/validation/fhirpath/environment.ts';
import type { TypeModel } from '../../src/validation/fhirpath/type-model.ts';
import type { ElementDefinition, PackageScope } from '../../src/validation/packages/definitions.ts';
import { readTar } from '../../src/validation/packages/tar.ts';

export interface TypedConstraint {
  readonly key: string;
  readonly expression: string;
  readonly typeName: string;
}

/** Each expression with each type that it is declared on, once. */
export function constraintsOf(scope: PackageScope): TypedConstraint[] {
  const found = new Map<string, TypedConstraint>();
  for (const definition of scope.list('StructureDefinition')) {
    const snapshot = definition.resource['snapshot'] as { element?: ElementDefinition[] } | undefined;
    if (definition.kind === 'logical') continue;
    for (const element of snapshot?.element ?? []) {
      for (const { key, expression } of element.constraint ?? []) {
        if (key === undefined || expression === undefined) continue;
        for (const typeName of typesOf(element, definition.constrainedType ?? '')) {
          found.set(`${expression}\n${typeName}`, { key, expression, typeName });
        }
      }
    }
  }
  return [...found.values()];
}

function typesOf(element: ElementDefinition, type: string): string[] {
  const path = element.path ?? '';
  if (!path.includes('.')) return [type];
  if (element.contentReference !== undefined) return [element.contentReference.split('#')[1] ?? path];
  return (element.type ?? []).map(({ code }) => {
    if (code === 'BackboneElement' || code === 'Element') return path.replaceAll('[x]', '');
    return code?.startsWith('http://hl7.org/fhirpath') === true ? 'string' : (code ?? 'Element');
  });
}

/** @param file of `profiles/` */
export function exampleResources(file: string): { readonly resourceType: string }[] {
  const archive = gunzipSync(readFileSync(join(import.meta.dirname, '..', '..', 'profiles', file)));
  const resources: { readonly resourceType: string }[] = [];
  for (const { name, bytes } of readTar(archive)) {
    if (!/^package\/example\/[^.]+\.json$/.test(name)) continue;
    resources.push(JSON.parse(new TextDecoder().decode(bytes)) as { readonly resourceType: string });
  }
  return resources;
}

type Visit = (typeName: string, value: unknown, environment: FhirPathEnvironment, sibling: unknown) => void;
type Json = Readonly<Record<string, unknown>>;

/** Every element of a resource with its type, primitives with their siblings. */
export function visitTyped(resource: { readonly resourceType: string }, model: TypeModel, visit: Visit): void {
  const walk = (typeName: string, value: unknown, sibling: unknown, environment: FhirPathEnvironment): void => {
    visit(typeName, value, environment, sibling);
    if (typeof value !== 'object' || value === null) return;
    for (const element of model.elements(typeName)) {
      for (const { json, type, primitive } of element.variants) {
        const given = (value as Json)[json];
        const beside = primitive ? (value as Json)[`_${json}`] : undefined;
        const values: unknown[] = Array.isArray(given) ? given : [given];
        const siblings: unknown[] = Array.isArray(beside) ? beside : [beside];
        for (let i = 0; i < Math.max(values.length, siblings.length); i++) {
          const one = values[i] ?? undefined;
          const other = siblings[i] ?? undefined;
          if (one === undefined && other === undefined) continue;
          const stated = (one as { resourceType?: string } | undefined)?.resourceType;
          if (model.isResource(type) && stated !== undefined) {
            walk(stated, one, undefined, {
              ...environment,
              resource: one,
              rootResource: element.name === 'contained' ? environment.resource : one,
            });
          } else walk(type, one, other, environment);
        }
      }
    }
  };
  walk(resource.resourceType, resource, undefined, { resource, rootResource: resource });
}
