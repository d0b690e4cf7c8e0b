import type { ElementDefinition, FhirDefinition } from '../packages/definitions.ts';

/** Elements of the snapshot that a package carries; undefined when it has none that can be used. */
export function publishedElements(resource: FhirDefinition): readonly ElementDefinition[] | undefined {
  return elementsOf(resource.snapshot);
}

/** Elements of the differential; none when there is no differential. */
export function differentialElements(resource: FhirDefinition): readonly ElementDefinition[] {
  return elementsOf(resource.differential) ?? [];
}

function elementsOf(view: unknown): readonly ElementDefinition[] | undefined {
  if (typeof view !== 'object' || view === null || !('element' in view) || !Array.isArray(view.element))
    return undefined;
  const elements: unknown[] = view.element;
  if (elements.length === 0 || !elements.every(hasPath)) return undefined;
  return elements as ElementDefinition[];
}

function hasPath(element: unknown): boolean {
  return (
    typeof element === 'object' &&
    element !== null &&
    'path' in element &&
    typeof element.path === 'string' &&
    element.path !== ''
  );
}
