import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { generateSnapshot } from './generate.ts';
import { publishedElements } from './published.ts';
import { SnapshotError } from './snapshot-error.ts';

const slot = {};

/**
 * All elements of a StructureDefinition, root first: the published snapshot where there is one, else generated from the differential and
 * remembered.
 * @throws {SnapshotError} base-missing | cyclic | malformed
 */
export function snapshotOf(definition: Definition): readonly ElementDefinition[] {
  return snapshotWithin(definition, []);
}

/** @param seen definitions whose snapshots are being made: needing one of them again is a cycle */
function snapshotWithin(definition: Definition, seen: readonly Definition[]): readonly ElementDefinition[] {
  const published = publishedElements(definition.resource);
  if (published !== undefined) return published;
  if (seen.includes(definition)) throw new SnapshotError('cyclic', `the snapshot of ${definition.url} needs itself`);
  return definition.remember(slot, () =>
    generateSnapshot(definition, (other) => snapshotWithin(other, [...seen, definition])),
  );
}
