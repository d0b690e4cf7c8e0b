import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { generateSnapshot } from './generate.ts';
import { publishedElements } from './published.ts';

const slot = {};

/**
 * All elements of a StructureDefinition, root first: the published snapshot where there is one, else generated from the differential and
 * remembered.
 * @throws {SnapshotError} base-missing | cyclic | malformed
 */
export function snapshotOf(definition: Definition): readonly ElementDefinition[] {
  return publishedElements(definition.resource) ?? definition.remember(slot, () => generateSnapshot(definition));
}
